"""``sematic resume``: go on with a pipeline run whose driver is gone."""

import click

from sematic.cli.record import RunId, find_run, missing_code, open_record
from sematic.errors import CancellationError, PipelineRunError
from sematic.wording import short_id


@click.command(short_help="Go on with RUN where its driver stopped.")
@click.argument("run", metavar="RUN", type=RunId())
def resume(run: str) -> None:
    """Go on with the pipeline run that RUN belongs to, where its driver stopped.

    What is recorded is not executed again; what was executing when the driver was lost is. The
    functions are imported from where they were, with their code as it is now.
    """
    from sematic.artifacts.store import FileSystemStore
    from sematic.runners.local_runner import LocalRunner
    from sematic.runners.resuming import build_root_future, find_resumption, original_surroundings
    from sematic.settings import load_settings

    queries = open_record()
    settings = load_settings()
    resumption = find_resumption(settings.database_url, find_run(queries, run))
    with original_surroundings(queries.environment(resumption.root_id)):
        try:
            root = build_root_future(resumption, FileSystemStore(settings.artifacts_uri))
            LocalRunner(resume=resumption.root_id).run(root)
        except ImportError as error:
            id_ = short_id(resumption.root_id)
            raise missing_code(
                error,
                option=f"resume={id_!r}",
                otherwise=f"end this pipeline run (sematic cancel {id_}) and begin a new one",
            ) from error
        except (PipelineRunError, CancellationError):  # shown by the progress display
            raise SystemExit(1) from None
