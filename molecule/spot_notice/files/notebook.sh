#!/bin/sh
# The container of a student as the role sees it, in an image of the host's own shell: it writes into its home when it is
# asked to end, and takes a moment for it.
set -eu
for file in /bin/sh /bin/sleep /bin/date; do
  echo "$file"
  ldd "$file" | grep -o '/[^ ]*'
done | sort -u | tar -chf - -T - 2>/dev/null | docker import - notebook
docker run --detach --name dstk-ada --label dstk.student=ada --restart unless-stopped \
  --volume /srv/dstk/ada/home:/home notebook /bin/sh -c 'trap "sleep 1; echo ended >>/home/work; exit 0" TERM
while :; do sleep 0.2; done'
