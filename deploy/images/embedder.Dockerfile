# The embedding server, with CUDA from torch's own wheels.
FROM python:3.11-slim-bookworm
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /app
COPY requirements.txt ./
RUN uv pip install --system --require-hashes -r requirements.txt
COPY src ./src
ENV PYTHONPATH=/app/src HF_HUB_DISABLE_TELEMETRY=1
EXPOSE 8091
ENTRYPOINT ["python", "-m", "embedder", "--host", "0.0.0.0"]
