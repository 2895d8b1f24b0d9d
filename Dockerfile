# The service in one image: `docker build -t why .`
# torch comes from the index that pip is given; `--build-arg PIP_EXTRA_INDEX_URL=…` names one with
# CPU builds, which spares gigabytes.
FROM python:3.11-slim-bookworm AS build
ARG PIP_EXTRA_INDEX_URL=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/why
WORKDIR /src
COPY requirements.lock requirements-dev.lock pyproject.toml README.md LICENSE ./
RUN /opt/why/bin/pip install --no-deps -r requirements.lock
COPY ingest ingest
COPY service service
# The development lock pins what the extras bring. The embedding model is made now, so that no
# container makes it when it starts.
RUN /opt/why/bin/pip install --constraint requirements-dev.lock ".[postgres,otel,pdf]" \
    && /opt/why/bin/python -c "from pathlib import Path; from ingest.encoders.packaged import PackagedEncoder; PackagedEncoder(cache_dir=Path('/opt/why/cache'))"

FROM python:3.11-slim-bookworm
# Debian's security archive keeps only the newest version of a package, so a pin would break the build.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libpango-1.0-0 libpangoft2-1.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home why \
    && install --directory --owner why /var/lib/why
COPY --from=build --chown=why /opt/why /opt/why
ENV PATH=/opt/why/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    WHY_CACHE_DIR=/opt/why/cache \
    WHY_INDEX_DIR=/var/lib/why/index \
    WHY_DATABASE_FILE=/var/lib/why/why.db \
    WHY_HOST=0.0.0.0
USER 10001
VOLUME /var/lib/why
EXPOSE 8484
HEALTHCHECK --interval=15s --timeout=3s --start-period=30s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8484/healthz', timeout=2)"]
ENTRYPOINT ["why"]
CMD ["serve"]
