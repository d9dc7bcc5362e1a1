# The local AmplifyBackend alone, without Airflow (docs/local.md, "In a container"):
#   docker build -f docker/amplifybackend-local.Dockerfile -t amplifybackend-local .
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ARG PYTHON
WORKDIR /src
COPY constraints/constraints-${PYTHON}.txt constraints/
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY airflow_provider_amplifybackend airflow_provider_amplifybackend/
COPY example_dags example_dags/
RUN python -m venv /opt/amplifybackend-local
# Of all dependencies only those of the extra `local`: the service imports no Airflow.
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['local'], sep='\n')" > local.txt
RUN /opt/amplifybackend-local/bin/python -m pip install --no-cache-dir -c constraints/constraints-${PYTHON}.txt -r local.txt
# The build back end comes from the constraints, too, so that a new one cannot break an old commit.
RUN python -m venv /opt/builder
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['build-system']['requires'], sep='\n')" > build.txt
RUN /opt/builder/bin/python -m pip install --no-cache-dir -c constraints/constraints-${PYTHON}.txt -r build.txt
RUN /opt/builder/bin/python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir wheel .
RUN /opt/amplifybackend-local/bin/python -m pip install --no-cache-dir --no-deps --no-index wheel/*.whl

FROM python:${PYTHON}-slim
ENV PYTHONDONTWRITEBYTECODE=1
# /state is for `--state /state/FILE` on a volume, which takes over owner and mode.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /state --shell /usr/sbin/nologin amplifybackend
RUN install -d -o 10001 -g 10001 -m 0700 /state
COPY --from=build /opt/amplifybackend-local /opt/amplifybackend-local
WORKDIR /state
USER 10001:10001
EXPOSE 4577
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s --retries=3 \
    CMD ["/opt/amplifybackend-local/bin/python", "-c", "from airflow_provider_amplifybackend.local.control import LocalControl; LocalControl('http://127.0.0.1:4577', timeout=4).health()"]
# Inside, on all interfaces: who can reach it, `docker run --publish 127.0.0.1:4577:4577` says. Options go behind the image's name.
ENTRYPOINT ["/opt/amplifybackend-local/bin/amplifybackend-local", "--host", "0.0.0.0", "--port", "4577"]
