# Two stages: what builds, and what runs. The image holds acclimated, acclimate-worker, acclimate and
# LibTorch's libraries, and runs with a read-only root as a user of its own.
#   docker build -t acclimate .
# For a trial, where whoever reaches the port may do everything:
#   docker run --read-only --tmpfs /tmp -p 127.0.0.1:50051:50051 -v acclimate:/var/lib/acclimate \
#     acclimate --insecure
# docs/operations.md has the flags for TLS and tokens, docs/kubernetes.md a cluster's manifests. For
# machines with a GPU:
#   docker build --build-arg LIBTORCH=cuda -t acclimate-cuda .
#   docker run --gpus all ... acclimate-cuda ...
ARG BASE=debian:12
# hadolint ignore=DL3006
FROM ${BASE} AS build
ARG LIBTORCH=cpu
WORKDIR /src
COPY deploy/install-packages deploy/fetch-libtorch deploy/libtorch.versions deploy/
RUN deploy/install-packages build --libtorch "$LIBTORCH"
COPY . .
RUN cmake --preset release -DACCLIMATE_TESTS=OFF \
 && cmake --build --preset release --target acclimated acclimate-worker acclimate \
 && cmake --install build/release --prefix /stage --strip

# hadolint ignore=DL3006
FROM ${BASE}
LABEL org.opencontainers.image.title="Acclimate" \
      org.opencontainers.image.description="Adapts trained models to new domains, over gRPC"
COPY --from=build /stage/ /usr/local/
COPY deploy/install-packages /tmp/install-packages
# Where no LibTorch came along, the programs were built on Debian's. packages.tsv lists what the image
# is made of: name, version and source of every package.
RUN if [ -e /usr/local/lib/acclimate ]; then libtorch=none; else libtorch=debian; fi \
 && /tmp/install-packages run --libtorch "$libtorch" \
 && rm -rf /tmp/install-packages /var/lib/apt/lists/* \
 && mkdir -p /usr/local/share/acclimate \
 && dpkg-query --show --showformat='${Package}\t${Version}\t${source:Package}\n' \
      >/usr/local/share/acclimate/packages.tsv \
 && useradd --system --uid 10001 --create-home --home-dir /var/lib/acclimate acclimate
USER 10001:10001
VOLUME /var/lib/acclimate
EXPOSE 50051 9464
# With TLS: ACCLIMATE_TLS_CA in the environment, and a certificate that names 127.0.0.1.
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s CMD ["acclimate", "health"]
ENTRYPOINT ["/usr/local/bin/acclimated", "serve", "--data-dir", "/var/lib/acclimate", \
            "--listen", "0.0.0.0:50051", "--metrics-listen", "0.0.0.0:9464"]
