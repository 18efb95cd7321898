# Two targets: `cpu` (default) and `cuda`. Build: docker build --target cpu -t ecomai .
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
WORKDIR /app
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
COPY requirements.txt .

# PyPI's torch brings CUDA; this index has the one without it.
FROM build AS build-cpu
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir --extra-index-url "${TORCH_INDEX}" -r requirements.txt

# CTranslate2 wants the libraries of CUDA 12, whatever torch brings.
FROM build AS build-cuda
RUN pip install --no-cache-dir -r requirements.txt nvidia-cublas-cu12 nvidia-cudnn-cu12

FROM build-cpu AS static
COPY . .
RUN tailwindcss -i assets/app.css -o ecomai/static/build/app.css --minify \
    && SECRET_KEY=build STATIC_ROOT=/app/static python manage.py collectstatic --noinput -v0

FROM python:${PYTHON}-slim AS app
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 ecomai && mkdir /data && chown ecomai /data
WORKDIR /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 ECOMAI_VAR_DIR=/data STATIC_ROOT=/app/static LOG_FORMAT=json
COPY . .
COPY --from=static /app/static static
USER ecomai
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"
# Whatever .env says of the host for a machine without containers.
CMD ["env", "HOST=0.0.0.0", "PORT=8000", "python", "-m", "ecomai.serve"]

FROM app AS cuda
COPY --from=build-cuda /venv /venv
ENV INFERENCE_DEVICE=cuda \
    LD_LIBRARY_PATH=/venv/lib/python3.11/site-packages/nvidia/cublas/lib:/venv/lib/python3.11/site-packages/nvidia/cudnn/lib

FROM app AS cpu
COPY --from=build-cpu /venv /venv
