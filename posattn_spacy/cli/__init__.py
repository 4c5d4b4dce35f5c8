"""`python -m spacy posattn …`: the commands of posattn-spacy, found by spaCy through an entry point.

spaCy imports these modules for every command of its own, so what is heavy is imported inside the commands.
"""

import typer
from spacy.cli import app

from .annotating import audit_corpus, learning_curve, suggest_texts, update_model
from .bulk import annotate_files
from .corpus import convert_command, export_command, init
from .encoders import compare_encoders
from .pipeline import calibrate_model, doctor, find_threshold
from .store import store

posattn = typer.Typer(name="posattn", help="Commands of posattn-spacy", no_args_is_help=True)
posattn.add_typer(store)
posattn.add_typer(init)
posattn.command("calibrate")(calibrate_model)
posattn.command("find-threshold")(find_threshold)
posattn.command("doctor")(doctor)
posattn.command("convert")(convert_command)
posattn.command("export")(export_command)
posattn.command("annotate")(annotate_files)
posattn.command("audit")(audit_corpus)
posattn.command("suggest")(suggest_texts)
posattn.command("curve")(learning_curve)
posattn.command("update")(update_model)
posattn.command("add-label", help="The same as `update`, with texts annotated for a new label.")(update_model)
posattn.command("compare-encoders")(compare_encoders)
app.add_typer(posattn)
