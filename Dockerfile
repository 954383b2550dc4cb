# Two stages: what builds, and what runs. The image holds acclimated, acclimate-worker and acclimate.
#   docker build -t acclimate .
#   docker run -p 50051:50051 -p 9464:9464 -v acclimate:/var/lib/acclimate acclimate
FROM debian:12 AS build
WORKDIR /src
COPY deploy/install-packages deploy/install-packages
RUN deploy/install-packages build
COPY . .
RUN cmake --preset release -DACCLIMATE_TESTS=OFF \
 && cmake --build --preset release --target acclimated acclimate-worker acclimate

FROM debian:12
COPY deploy/install-packages /tmp/install-packages
RUN /tmp/install-packages run && rm -rf /tmp/install-packages /var/lib/apt/lists/* \
 && useradd --system --create-home --home-dir /var/lib/acclimate acclimate
COPY --from=build /src/build/release/bin/ /usr/local/bin/
USER acclimate
VOLUME /var/lib/acclimate
EXPOSE 50051 9464
ENTRYPOINT ["/usr/local/bin/acclimated", "serve", "--data-dir", "/var/lib/acclimate", \
            "--listen", "0.0.0.0:50051", "--metrics-listen", "0.0.0.0:9464"]
