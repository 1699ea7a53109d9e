# One image, three commands: web (the default), worker, and release:
#   docker run … IMAGE python manage.py migrate

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /app
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY requirements.txt .
RUN pip install --require-hashes --requirement requirements.txt
COPY . .
# Needs no secret.
RUN python manage.py collectstatic --no-input

FROM python:3.13-slim
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --system --uid 10001 --home-dir /app app
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
# For SQLite, where no DATABASE_URL is given. Mount a volume here to keep it.
RUN install --directory --owner app --mode 700 /app/var
USER app
EXPOSE 8000
# `exec`, so that the platform's SIGTERM reaches gunicorn.
CMD ["sh", "-c", "exec gunicorn --bind 0.0.0.0:${PORT:-8000}"]
