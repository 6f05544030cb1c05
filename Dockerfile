# One image with the three services and the auditor. deploy/base-images.sh makes the base images where no registry is reached.
ARG RUST_IMAGE=rust:1.95.0-slim-trixie
ARG RUNTIME_IMAGE=debian:13.7-slim

# What runs. First, so that a test can put programs into it that are built already: `--target runtime`.
FROM ${RUNTIME_IMAGE} AS runtime
LABEL org.opencontainers.image.title="Holdfast" \
      org.opencontainers.image.description="Holds stock, moves credit and settles orders." \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
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

FROM ${RUST_IMAGE} AS chef
WORKDIR /holdfast
RUN cargo install --locked --root /usr/local cargo-chef@0.1.78

FROM chef AS planner
COPY . .
RUN cargo chef prepare

FROM chef AS build
# Nobody debugs in here, and a smaller target folder makes smaller layers.
ENV CARGO_INCREMENTAL=0 CARGO_PROFILE_RELEASE_DEBUG=none CARGO_PROFILE_RELEASE_STRIP=symbols
# The dependencies in a layer of their own, which stays until a manifest changes.
COPY --from=planner /holdfast/recipe.json .
RUN cargo chef cook --release --locked --package audit --package order --package payment --package stock
COPY . .
RUN cargo build --release --locked --package audit --package order --package payment --package stock && \
    cd target/release && install -t /usr/local/holdfast -D holdfast order payment stock

FROM runtime
COPY --from=build /usr/local/holdfast/ /usr/local/bin/
