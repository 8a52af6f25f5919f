# pgparity in a small image, built by the project's own scripts.
#
#   docker build -t pgparity .
#   docker run -d --name pgparity -p 6432:6432 --shm-size=256m -v pgparity-data:/var/lib/pgparity \
#     -e PGPARITY_PRIMARY=postgres://user:password@primary/app \
#     -e PGPARITY_SHADOW=postgres://user:password@shadow/app pgparity
#
# --shm-size: the capture rings lie in /dev/shm, of which Docker gives 64 MB by default; each forwarding thread
# takes PGPARITY_RING_SIZE of it.

FROM debian:12 AS build
WORKDIR /src
COPY tools/setup tools/setup
RUN tools/setup --build && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake -S . -B build -G Ninja -DPGPARITY_TESTS=OFF && ninja -C build pgparity && strip build/pgparity && \
    tools/lib/runtime-packages build/pgparity > /runtime-packages

FROM debian:12-slim
COPY --from=build /runtime-packages /runtime-packages
RUN apt-get update && \
    apt-get install -y --no-install-recommends ca-certificates $(cat /runtime-packages) && \
    rm -rf /var/lib/apt/lists/* /runtime-packages && \
    useradd --system --uid 6432 --home-dir /var/lib/pgparity --create-home pgparity && \
    chmod 700 /var/lib/pgparity
COPY --from=build /src/build/pgparity /usr/local/bin/pgparity
USER pgparity
VOLUME /var/lib/pgparity
ENV PGPARITY_LISTEN=0.0.0.0:6432 \
    PGPARITY_DATA_DIR=/var/lib/pgparity \
    PGPARITY_ADMIN=127.0.0.1:6433 \
    PGPARITY_THREADS=2 \
    PGPARITY_RING_SIZE=64MiB
EXPOSE 6432
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=20s CMD ["pgparity", "ctl", "ready"]
ENTRYPOINT ["pgparity"]
CMD ["serve"]
