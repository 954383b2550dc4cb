# Two stages: what builds, and what runs. The image holds acclimated, acclimate-worker, acclimate and
# LibTorch's libraries.
#   docker build -t acclimate .
#   docker run -p 50051:50051 -p 9464:9464 -v acclimate:/var/lib/acclimate acclimate
# For machines with a GPU:
#   docker build --build-arg LIBTORCH=cuda -t acclimate-cuda .
#   docker run --gpus all -p 50051:50051 -v acclimate:/var/lib/acclimate acclimate-cuda
FROM debian:12 AS build
ARG LIBTORCH=cpu
WORKDIR /src
COPY deploy/install-packages deploy/fetch-libtorch deploy/libtorch.versions deploy/
RUN deploy/install-packages build --libtorch "$LIBTORCH"
COPY . .
RUN cmake --preset release -DACCLIMATE_TESTS=OFF \
 && cmake --build --preset release --target acclimated acclimate-worker acclimate \
 && cmake --install build/release --prefix /stage --strip

FROM debian:12
COPY --from=build /stage/ /usr/local/
COPY deploy/install-packages /tmp/install-packages
# Where no LibTorch came along, the programs were built on Debian's.
RUN if [ -e /usr/local/lib/acclimate ]; then libtorch=none; else libtorch=debian; fi \
 && /tmp/install-packages run --libtorch "$libtorch" \
 && rm -rf /tmp/install-packages /var/lib/apt/lists/* \
 && useradd --system --create-home --home-dir /var/lib/acclimate acclimate
USER acclimate
VOLUME /var/lib/acclimate
EXPOSE 50051 9464
ENTRYPOINT ["/usr/local/bin/acclimated", "serve", "--data-dir", "/var/lib/acclimate", \
            "--listen", "0.0.0.0:50051", "--metrics-listen", "0.0.0.0:9464"]
