# dstk for those who have only Docker (Windows without WSL2, say).
#   docker build -t dstk .
#   docker run -it --rm -v dstk:/data -v ~/.aws:/data/.aws:ro dstk up
# BASE is any Debian or Ubuntu image with Python 3.11 or later.
ARG BASE=python:3.13-slim
FROM ${BASE}

RUN apt-get update \
    && apt-get install -y --no-install-recommends openssh-client \
    && { python3 -c 'import ensurepip' || apt-get install -y --no-install-recommends python3-venv; } \
    && rm -rf /var/lib/apt/lists/*

COPY . /usr/src/dstk
RUN python3 -m venv /opt/dstk \
    && /opt/dstk/bin/pip install --no-cache-dir uv==0.13.9 \
    && cd /usr/src/dstk \
    && UV_PROJECT_ENVIRONMENT=/opt/dstk /opt/dstk/bin/uv sync --frozen --no-cache --inexact --no-dev --no-editable \
         --python /opt/dstk/bin/python \
    && rm -rf /usr/src/dstk

# keys, passwords and logs live in the volume, so that the next container finds them
ENV PATH=/opt/dstk/bin:$PATH HOME=/data LANG=C.UTF-8
WORKDIR /data
VOLUME /data
ENTRYPOINT ["dstk"]
CMD ["--help"]
