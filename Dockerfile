# syntax=docker/dockerfile:1
# One image for every process; compose.yaml says which command each of them runs.
FROM python:3.11-slim AS build
WORKDIR /app
COPY requirements.txt .
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check -r requirements.txt

FROM python:3.11-slim
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PRODUCTION=1 \
    DATA_DIR=/data
COPY --from=build /venv /venv
WORKDIR /app
COPY . .
# Static files belong to the image, so that an upgrade brings its own: mount /data/files, never all
# of /data. Keys that the settings made for this one command are thrown away again.
RUN useradd --system --uid 10001 --home-dir /data loomwork \
    && python manage.py collectstatic --noinput \
    && mkdir -p /data/files \
    && rm -f /data/secret_key /data/secret_keys /data/jwt_keys \
    && chown -R loomwork: /data
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["gunicorn", "config.wsgi:application", "--bind=0.0.0.0:8000", "--worker-class=gthread", "--workers=2", "--threads=8"]
