"""`model`: which models there are, and a change from one to another while the daemon answers."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import click

from phsearch.cli import exit_status
from phsearch.cli.completion.suggestions import daemon_names
from phsearch.cli.names import PROGRAM
from phsearch.cli.options import absolute_model, json_lines_option, json_option, with_client
from phsearch.cli.render import table
from phsearch.cli.render.models import format_models, format_needs, format_switch, model_name
from phsearch.cli.terminal import Console
from phsearch.client import parse_answer
from phsearch.errors import PhsearchError
from phsearch.paths import absolute_path
from phsearch.wire.results.daemon import Status
from phsearch.wire.results.model import ModelChange, ModelList

if TYPE_CHECKING:
    from phsearch.client import Client
    from phsearch.wire.results.daemon import SwitchStatus

_POLL_SECONDS = 0.5
_MEASURE_SECONDS = 60.0
_CALIBRATE_SECONDS = 3600.0

_complete_model = daemon_names("model.list", "models", "name")


class _Model(click.Group):
    """Says how to search for words that begin with its name."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            words = " ".join(["model", *args])
            known = ", ".join(self.commands)
            raise click.UsageError(
                f'There is no "{args[0]}"; there are: {known}. To search for these words: {PROGRAM} search {words}', ctx
            )
        return super().resolve_command(ctx, args)


@click.group(cls=_Model, short_help="Choose the model that understands photos and words.", invoke_without_command=True)
@click.pass_context
def model(ctx: click.Context) -> int | None:
    """Choose the model. A new one is prepared while the present one answers, and takes over when all is there.

    \b
      phsearch-client model list
      phsearch-client model use balanced
      phsearch-client model status
      phsearch-client search --model balanced cat      what it finds so far
    """  # noqa: D301 - \b is click's mark for lines to keep as they are
    return ctx.invoke(show_status) if ctx.invoked_subcommand is None else None


@model.command("list", short_help="List the models to choose from.")
@click.option("--fast", is_flag=True, help="Do not measure how long each would take, which takes five seconds.")
@json_lines_option
@with_client
def list_models(client: Client, *, fast: bool, as_json: bool) -> int:
    """List the models to choose from, and those that have an index here.

    How long each would take for your photos is estimated: some are embedded again by the present model.
    """
    client.timeout = max(client.timeout, _MEASURE_SECONDS)
    answer = client.call("model.list", **({} if fast else {"measure": True}))
    console = Console.stdout()
    if as_json:
        console.write(b"".join(map(table.json_line, answer["models"])))
    else:
        console.write(format_models(parse_answer(ModelList, answer), console))
    return exit_status.DONE


@model.command("use", short_help="Change to another model.")
@click.argument("name", shell_complete=_complete_model)
@click.argument("pretrained", required=False, default="")
@click.option("--wait", is_flag=True, help="Wait until it answers.")
@with_client
def use(client: Client, name: str, pretrained: str, *, wait: bool) -> int:
    """Change to the model NAME: a preset, a name of open_clip with PRETRAINED weights, or local-dir:FOLDER.

    The present model answers until the new one has embedded every photo. That goes on over a restart, gives way to
    other programs as all indexing does, and `model cancel` ends it.
    """
    change = parse_answer(ModelChange, client.call("model.use", name=absolute_model(name), pretrained=pretrained))
    console = Console.stdout()
    if change.switch is None:
        console.print_line(f"{model_name(change.name, change.pretrained)} answers already")
        return exit_status.DONE
    if wait:
        return _wait(client, change.switch)
    wanted = model_name(change.switch.name, change.switch.pretrained)
    present = model_name(change.name, change.pretrained)
    needs = format_needs(change.switch)
    console.print_line(f"{wanted} is prepared{needs}, and {present} answers until then; `{PROGRAM} model` shows it")
    return exit_status.DONE


@model.command("status", short_help="Show which model answers, and how far a change is.")
@json_option
@with_client
def show_status(client: Client, *, as_json: bool = False) -> int:
    """Show which model answers, and how far a change to another one is."""
    answer = client.call("status")
    console = Console.stdout()
    if as_json:
        console.write(table.json_line({"model": answer["model"], "switch": answer.get("switch")}))
        return exit_status.DONE
    status = parse_answer(Status, answer)
    console.print_line(f"{model_name(status.model.name, status.model.pretrained)}: {status.model.state}")
    if status.switch is not None:
        console.print_line(format_switch(status.switch))
    return exit_status.DONE


@model.command("cancel", short_help="Stay with the present model.")
@with_client
def cancel(client: Client) -> int:
    """Stay with the present model. What the other one has embedded is kept, so that it can go on later."""
    change = client.cancel_model()
    Console.stdout().print_line(f"{model_name(change.name, change.pretrained)} stays")
    return exit_status.DONE


@model.command("remove", short_help="Remove the index of a model that is not in use.")
@click.argument("name", shell_complete=_complete_model)
@click.argument("pretrained", required=False, default="")
@with_client
def remove(client: Client, name: str, pretrained: str) -> int:
    """Remove what is kept of the model NAME: its index and its prepared files. Its download stays in its cache."""
    gone = client.remove_model(absolute_model(name), pretrained)
    removed = model_name(gone.name, gone.pretrained)
    Console.stdout().print_line(f"{removed} is removed: {table.format_bytes(gone.bytes)} are free")
    return exit_status.DONE


@model.command("calibrate", short_help="Fit the relevance to photos with captions.")
@click.argument("folder", type=click.Path(file_okay=False))
@with_client
def calibrate(client: Client, folder: str) -> int:
    """Fit the relevance of the model that answers to the photos of FOLDER, so that it says how likely a hit is meant.

    FOLDER has a file captions.tsv. Each of its lines is the file name of a photo, a tab and a caption; a photo may have
    several lines. The photos lie beside it, or in the folder "images". A hundred are needed, and a thousand are enough.
    Searches go on meanwhile.
    """
    client.timeout = max(client.timeout, _CALIBRATE_SECONDS)
    made = client.calibrate_model(absolute_path(folder, os.environ))
    name, skipped = model_name(made.name, made.pretrained), f", {made.skipped:,} left out" if made.skipped else ""
    Console.stdout().print_line(
        f"{name} is calibrated on {made.photos:,} photos{skipped}, by {made.queries:,} words and captions"
    )
    return exit_status.DONE


def _wait(client: Client, wanted: SwitchStatus) -> int:
    """Wait until the model that is wanted answers. Raises PhsearchError when it cannot be prepared."""
    notes, printed = Console.stderr(), ""
    try:
        while True:
            status = client.status()
            if (status.model.name, status.model.pretrained) == (wanted.name, wanted.pretrained):
                return exit_status.DONE
            switch = status.switch
            if switch is None or (switch.name, switch.pretrained) != (wanted.name, wanted.pretrained):
                raise PhsearchError("the change was cancelled", f"`{PROGRAM} model use` begins it again")
            if switch.state == "unavailable":
                raise PhsearchError(switch.reason or "the model cannot be prepared", switch.hint or "")
            line = format_switch(switch)
            if notes.styled:
                notes.write("\r" + line[: notes.width - 1] + "\x1b[K")
            elif switch.state != printed:
                notes.print_line(line)
                printed = switch.state
            time.sleep(_POLL_SECONDS)
    finally:
        if notes.styled:
            notes.write("\r\x1b[K")
