# One image with the three services and the auditor. deploy/base-images.sh makes the base images where no registry is reached.
ARG RUST_IMAGE=rust:1.95.0-slim-trixie
ARG RUNTIME_IMAGE=debian:13.7-slim

FROM ${RUST_IMAGE} AS build
WORKDIR /holdfast
# Optimising across crates takes half of the build's time; a test of the composition does without (off).
ARG LTO=thin
# Nobody debugs in here, and a smaller target folder makes smaller layers.
ENV CARGO_INCREMENTAL=0 CARGO_PROFILE_RELEASE_DEBUG=none CARGO_PROFILE_RELEASE_STRIP=symbols \
    CARGO_PROFILE_RELEASE_LTO=${LTO}

# The dependencies in a layer of their own, which stays until a manifest changes: the members are stubs here.
COPY Cargo.toml Cargo.lock ./
COPY audit/Cargo.toml audit/
COPY bench/Cargo.toml bench/
COPY order/Cargo.toml order/
COPY payment/Cargo.toml payment/
COPY shared/Cargo.toml shared/
COPY standalone/Cargo.toml standalone/
COPY stock/Cargo.toml stock/
COPY tests/Cargo.toml tests/
COPY xtask/Cargo.toml xtask/
RUN for member in */; do \
      mkdir -p "$member/src/bin" "$member/tests/it" "$member/tests/models" "$member/benches/engine" && \
      touch "$member/src/lib.rs" "$member/tests/it/main.rs" "$member/tests/models/main.rs" && \
      echo 'fn main() {}' >"$member/src/main.rs" && \
      for stub in src/bin/faults.rs src/bin/rival.rs benches/engine/main.rs; do \
        cp "$member/src/main.rs" "$member/$stub"; \
      done; \
    done && \
    cargo build --release --locked --package audit --package order --package payment --package stock && \
    rm -r audit/src order/src payment/src shared/src stock/src

COPY audit/ audit/
COPY order/ order/
COPY payment/ payment/
COPY shared/ shared/
COPY stock/ stock/
# The stubs are newer than the sources, and cargo goes by the time of change.
RUN find . -name '*.rs' -exec touch {} + && \
    cargo build --release --locked --package audit --package order --package payment --package stock && \
    cd target/release && install -t /usr/local/holdfast -D holdfast order payment stock

FROM ${RUNTIME_IMAGE}
LABEL org.opencontainers.image.title="Holdfast" \
      org.opencontainers.image.description="Holds stock, moves credit and settles orders." \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
COPY --from=build /usr/local/holdfast/ /usr/local/bin/
# A number, so that an orchestrator can see that it isn't root.
USER 10001:10001
ENV LISTEN=0.0.0.0:8000 \
    INTERNAL_LISTEN=0.0.0.0:9000 \
    ALLOW_REMOTE=true \
    LOG_FORMAT=json
EXPOSE 8000 9000
# Each service has this option and asks itself whether it is ready.
HEALTHCHECK --interval=2s --timeout=2s --start-period=30s --retries=2 \
    CMD ["sh", "-c", "exec /proc/1/exe --check-health"]
# Which of them: order, payment or stock.
CMD ["order"]
