# cogflow-worker with everything that training requires: Python, torch with CUDA from PyPI's wheels,
# and the trainer, which has no network. The driver and nvidia-smi come from the host's container toolkit.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=dev
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/ ./starter ./workers ./gateway && \
    mv /out/starter /out/cogflow && mv /out/workers /out/cogflow-worker && mv /out/gateway /out/cogflow-gateway

FROM python:3.11-slim-bookworm
RUN apt-get update && \
    apt-get install -y --no-install-recommends ca-certificates tini && \
    rm -rf /var/lib/apt/lists/* && \
    useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin cogflow && \
    install -d -o 10001 -g 10001 /var/lib/cogflow /scratch
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /opt/trainer
COPY trainer/pyproject.toml trainer/requirements.txt ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv pip install --system --link-mode copy --compile-bytecode --require-hashes -r requirements.txt
COPY trainer/src ./src
COPY --from=build /out/cogflow /out/cogflow-worker /usr/local/bin/
ENV COGFLOW_TRAINING_TRAINER_DIR=/opt/trainer COGFLOW_TRAINING_PYTHON=/usr/local/bin/python \
    HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001:10001
WORKDIR /var/lib/cogflow
# tini forwards SIGTERM, so that a training run writes its checkpoint.
ENTRYPOINT ["tini", "--", "cogflow-worker"]
