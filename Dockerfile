# Two stages: what builds, and what runs. The image holds acclimated, acclimate-worker, acclimate and
# LibTorch's libraries, and runs with a read-only root as a user of its own.
#   docker build -t acclimate .
# For a trial, where whoever reaches the port may do everything:
#   docker run --read-only --tmpfs /tmp -p 127.0.0.1:50051:50051 -v acclimate:/var/lib/acclimate \
#     acclimate --insecure
# For machines with a GPU:
#   docker build --build-arg LIBTORCH=cuda -t acclimate-cuda .
#   docker run --gpus all ... acclimate-cuda ...
# docs/container.md has the rest, docs/kubernetes.md a cluster's manifests.
ARG BASE=debian:12
# hadolint ignore=DL3006
FROM ${BASE} AS build
ARG LIBTORCH=cpu
WORKDIR /src
COPY deploy/install-packages deploy/fetch-libtorch deploy/libtorch.versions deploy/
RUN deploy/install-packages build --libtorch "$LIBTORCH"
COPY . .
# Of LibTorch's largest library a fifth is names that only a debugger needs.
RUN cmake --preset release -DACCLIMATE_TESTS=OFF \
 && cmake --build --preset release --target acclimated acclimate-worker acclimate acclimate-inspect \
 && cmake --install build/release --prefix /stage --strip \
 && if [ -e /stage/lib/acclimate/libtorch_cpu.so ]; then \
      strip --strip-unneeded /stage/lib/acclimate/libtorch_cpu.so; \
    fi \
 && mkdir -p /stage/share/acclimate \
 && deploy/make-sbom parts build/libtorch >/stage/share/acclimate/parts.tsv

# hadolint ignore=DL3006
FROM ${BASE}
ARG BASE
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="Acclimate" \
      org.opencontainers.image.description="Adapts trained models to new domains, over gRPC" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="$BASE"
COPY --from=build /stage/ /usr/local/
COPY deploy/install-packages deploy/make-sbom /tmp/
# Where no LibTorch came along, the programs were built on Debian's. The SBOM lists the packages and
# what was built in.
RUN if [ -e /usr/local/lib/acclimate ]; then libtorch=none; else libtorch=debian; fi \
 && /tmp/install-packages run --libtorch "$libtorch" \
 && /tmp/make-sbom image "$VERSION" /usr/local/share/acclimate/parts.tsv \
      >/usr/local/share/acclimate/sbom.cdx.json \
 && apt-get clean \
 && rm -rf /tmp/* /usr/local/share/acclimate/parts.tsv /var/lib/apt/lists/* \
 && groupadd --gid 10001 acclimate \
 && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home \
      --home-dir /var/lib/acclimate --shell /usr/sbin/nologin acclimate \
 && install --directory --owner=10001 --group=10001 /var/lib/acclimate
USER 10001:10001
VOLUME /var/lib/acclimate
EXPOSE 50051 9464
# With TLS: ACCLIMATE_TLS_CA in the environment, and a certificate that names 127.0.0.1.
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s CMD ["acclimate", "health"]
ENTRYPOINT ["/usr/local/bin/acclimated", "serve", "--data-dir", "/var/lib/acclimate", \
            "--listen", "0.0.0.0:50051", "--metrics-listen", "0.0.0.0:9464"]
