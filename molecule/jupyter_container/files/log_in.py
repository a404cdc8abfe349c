"""Log in as a browser does, with the password from standard input, and print how a page behind the login answers."""

from __future__ import annotations

import http.cookiejar
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

url, authorities, password = sys.argv[1], sys.argv[2], sys.stdin.read().strip()
jar = http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=None))
https = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=authorities))
browser = urllib.request.build_opener(urllib.request.ProxyHandler({}), https, urllib.request.HTTPCookieProcessor(jar))


def find_status(path: str, form: dict[str, str] | None = None) -> int:
    """Answer the status of a page, after the redirects that a browser follows."""
    data = urllib.parse.urlencode(form).encode() if form else None
    try:
        return int(browser.open(url + path, data, timeout=10).status)
    except urllib.error.HTTPError as error:
        return error.code


find_status("/login")
xsrf = next(str(cookie.value) for cookie in jar if cookie.name == "_xsrf")
find_status("/login?next=/", {"password": password, "_xsrf": xsrf})
sys.stdout.write(f"{find_status('/api/contents')}\n")
