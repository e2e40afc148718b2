# Two images from one file: --target outpost and --target control-plane.
#
# BASE_IMAGE has no default on purpose: `make image` resolves a Python image to its digest and passes it, so that what
# was built can be built again. A tag alone is refused below, except when ALLOW_LOCAL_BASE=1 says that it is an image
# made on this machine, which has no digest.
ARG BASE_IMAGE

FROM ${BASE_IMAGE} AS base
ARG BASE_IMAGE
ARG ALLOW_LOCAL_BASE=0
RUN case "$BASE_IMAGE" in \
      *@sha256:*) ;; \
      *) if [ "$ALLOW_LOCAL_BASE" != 1 ]; then \
           echo "BASE_IMAGE=$BASE_IMAGE is not pinned by digest. Use 'make image', or pass --build-arg" \
                "BASE_IMAGE=name@sha256:..., or --build-arg ALLOW_LOCAL_BASE=1 for an image made on this machine." >&2; \
           exit 1; \
         fi ;; \
    esac
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

# Builds the wheel and the environment. Nothing of this stage but /opt/hybrid-outpost reaches an image.
FROM base AS builder
WORKDIR /src
RUN python3 -m venv --without-pip /opt/hybrid-outpost && python3 -m venv /opt/build
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN /opt/build/bin/pip install --no-cache-dir --disable-pip-version-check --quiet \
      --require-hashes --only-binary :all: -r requirements/build.txt \
 && /opt/build/bin/pip --python /opt/hybrid-outpost/bin/python install --no-cache-dir --disable-pip-version-check --quiet \
      --require-hashes --only-binary :all: --no-deps -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY pki pki
COPY outpost outpost
COPY control_plane control_plane
RUN /opt/build/bin/python -m build --no-isolation --wheel --outdir /dist . >/dev/null \
 && /opt/build/bin/pip --python /opt/hybrid-outpost/bin/python install --no-cache-dir --disable-pip-version-check --quiet \
      --no-index --no-deps /dist/*.whl \
 && /opt/build/bin/pip --python /opt/hybrid-outpost/bin/python check \
 && rm -rf /opt/hybrid-outpost/bin/pip* /opt/hybrid-outpost/lib/python3*/site-packages/pip \
      /opt/hybrid-outpost/lib/python3*/site-packages/huggingface_hub /opt/hybrid-outpost/lib/python3*/site-packages/hf_xet
# sqlite-utils requires pip for a command that installs plug-ins, tokenizers requires the client of a model hub for one
# that downloads; an image that can do either is not wanted here.

# What both images share. The numeric user lets an orchestrator see that it is not root; /data is all they write.
FROM base AS runtime
RUN rm -rf /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip /usr/local/lib/python3*/idlelib \
      /usr/local/bin/pip* /usr/local/bin/idle* /usr/local/bin/2to3* \
 && install -d -o 10001 -g 10001 -m 0700 /data /enrolment
COPY --from=builder /opt/hybrid-outpost /opt/hybrid-outpost
ENV PATH=/opt/hybrid-outpost/bin:$PATH
WORKDIR /
USER 10001:10001
VOLUME /data
STOPSIGNAL SIGTERM
ARG VERSION=0
ARG REVISION=unknown
ARG BASE_IMAGE
LABEL org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.base.name="$BASE_IMAGE" \
      org.opencontainers.image.licenses="Apache-2.0"

FROM runtime AS control-plane
LABEL org.opencontainers.image.title="control-plane" \
      org.opencontainers.image.description="Registers outposts, issues their certificates, publishes signed policy, collects audit metadata."
ENV CONTROL_PLANE_DATA_DIR=/data
EXPOSE 8100 8443
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-m", "outpost.healthcheck", "https://127.0.0.1:8100/healthz"]
ENTRYPOINT ["control-plane"]
CMD ["serve"]

# Last, so that a build without --target makes the outpost.
FROM runtime AS outpost
LABEL org.opencontainers.image.title="outpost" \
      org.opencontainers.image.description="A gateway inside your network that lets people use cloud language models and lets nothing confidential leave."
ENV OUTPOST_DATA_DIR=/data
EXPOSE 8300
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-m", "outpost.healthcheck", "http://127.0.0.1:8301/healthz"]
ENTRYPOINT ["outpost"]
CMD ["run"]
