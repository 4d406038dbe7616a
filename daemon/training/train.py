"""Trains ``mini``: first the heads on frozen towers, then the upper half of the image tower, too.

    python daemon/training/train.py --data DIR --work DIR [--out FOLDER]

Uses a GPU if there is one.  Every epoch writes a checkpoint to ``--work``; the same
command continues from there.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.optim import swa_utils

from training import towers
from training.encoders import Encoders, Former, HeadEncoders, ImageTowerEncoders
from training.export import export
from training.figures.validate import Validation, validate
from training.objective import Objective, Weights
from training.photos import augment, cache, data, domains, pool
from training.words.sentences import FrozenSentences

if TYPE_CHECKING:
    from collections.abc import Collection

    from torch import Tensor
    from torch.optim import Optimizer

    from training.kinds import Model

COCO_VALIDATION_PHOTOS = 40


@dataclass(frozen=True)
class Stage:
    """One stage of training: which parts learn, how fast, how long."""

    name: str
    epochs: int
    batch: int
    head_rate: float
    image_rate: float
    weights: Weights
    decay: float = 0.05
    warmup: float = 0.1
    averaging: float = 0.99
    report: int = 1


@dataclass(frozen=True)
class Recipe:
    """All hyperparameters.

    Random crops enlarge their content, so the model is used at a larger size than it was
    trained at (Touvron et al. 2019, "Fixing the train-test resolution discrepancy").
    """

    seed: int = 1
    size: int = 256
    shown_size: int = 288
    resize_mode: str = "squash"
    random_views: int = 2
    first_scale: float = 30.0
    """The temperature at the start; from CLIP's own 14 the heads' few hundred steps do not reach a useful one."""
    heads: Stage = Stage("heads", 20, 512, 2e-3, 0.0, Weights(captions=1.5), report=10)
    deeper: Stage = Stage("image", 4, 192, 3e-4, 1.5e-4, Weights(captions=1.5, imagined=0.0), averaging=0.98, report=1)


class Trainer:
    """The model, the averaged model, and the files of a run."""

    def __init__(
        self, recipe: Recipe, folder: Path, work: Path, start: Path | None = None, left_out: Collection[str] = ()
    ) -> None:
        """Read the data and make the cached views that are missing; the sets ``left_out`` are only chosen by.

        Training starts with the towers of the bundle ``start``, or with the pretrained ones.
        """
        self.recipe, self.work = recipe, work
        torch.manual_seed(recipe.seed)
        flickr = data.split(data.read_captions(folder / "flickr8k"))
        coco = data.split(data.read_captions(folder / "domains" / "coco"), dev=0, validation=COCO_VALIDATION_PHOTOS)
        everyday = domains.read_domains(folder / "domains")
        labelled, chosen_by = domains.split_domains(everyday), domains.split_domains(everyday, left_out)
        classes = data.class_photos(folder / "imagenet-sample")
        self.pool = pool.gather((*flickr.train, *coco.train), labelled.train, classes, recipe.seed)
        self.used = torch.tensor([row for row, each in enumerate(self.pool.pictures) if each.kind not in left_out])
        self.pool = self.pool.without_terms(left_out)
        self.validation = Validation({"Flickr8k": flickr.validation, "COCO": coco.validation}, chosen_by.validation)
        self.tokenize = towers.tokenizer()
        self.words = pool.whole_words(towers.text_folder() / "vocab.txt", recipe.seed)
        self.model = towers.started(start)
        network = towers.classifier()
        views = cache.Cache(work / "views", trunk=network, started=self.model.visual.trunk, size=recipe.size)
        self.views = self._views(views)
        chosen_photos = [partial(augment.load, path) for path in self.validation.paths]
        self.chosen_view = views.view("chosen", chosen_photos, augment.plain_view(recipe.size)).middle
        self.classifier = network.classifier
        self.model = self.model.to(cache.device())
        if start is None:
            self.model.logit_scale.data.fill_(math.log(recipe.first_scale))
        self.frozen, self.started = (
            FrozenSentences(text.to(cache.device()).eval(), self.tokenize)
            for text in (towers.untrained().text, copy.deepcopy(self.model.text))
        )
        former = None if start is None else towers.load_bundle(start)[0].to(cache.device())
        self.former = None if former is None else Former(former, self.views[0], self.started)

    def _views(self, views: cache.Cache) -> list[cache.View]:
        """Return the plain view of every picture, then the random ones."""
        sources = [picture.source for picture in self.pool.pictures]
        random = augment.random_view(augment.Augmentation(size=self.recipe.size))
        looks = [augment.plain_view(self.recipe.size), *[random] * self.recipe.random_views]
        return [views.view(str(number), sources, look, seed=number) for number, look in enumerate(looks)]

    def run(self, stage: Stage, encoders: Encoders) -> None:
        """Train one stage, from its last checkpoint if there is one."""
        objective = Objective(self.pool, self.words, stage.weights, encoders, self.recipe.seed)
        optimizer = optimizer_for(self.model, stage)
        steps = stage.epochs * (len(self.used) // stage.batch)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            [group["lr"] for group in optimizer.param_groups],
            total_steps=steps,
            pct_start=stage.warmup,
            cycle_momentum=False,
        )
        keep = swa_utils.get_ema_multi_avg_fn(stage.averaging)  # type: ignore[no-untyped-call]
        average = swa_utils.AveragedModel(self.model, multi_avg_fn=keep)
        learning_mode(self.model)
        average.eval()
        saved = {
            "model": self.model,
            "average": average,
            "optimizer": optimizer,
            "schedule": schedule,
        }
        for epoch in range(self._resume(stage, saved), stage.epochs):
            start, total = time.time(), 0.0
            torch.manual_seed(self.recipe.seed + epoch)
            batches = torch.split(self.used[torch.randperm(len(self.used))], stage.batch)
            for rows in batches:
                if len(rows) == stage.batch:
                    total += step(objective, encoders, rows, optimizer)
                    schedule.step()
                    average.update_parameters(self.model)
            self._checkpoint(stage, saved, epoch + 1)
            figures = ""
            if (epoch + 1) % stage.report == 0:
                figures = str(validate(average.module, self.tokenize, self.validation, self.chosen_view))
            mean, seconds = total / len(batches), time.time() - start
            print(f"{stage.name} {epoch + 1}/{stage.epochs}: loss {mean:.3f} {seconds:.0f} s {figures}", flush=True)
        self.model.load_state_dict(average.module.state_dict())
        self.model.eval()

    def _checkpoint(self, stage: Stage, saved: dict[str, Any], epoch: int) -> None:
        state = {name: part.state_dict() for name, part in saved.items()}
        path = self.work / f"{stage.name}.pt"
        torch.save({"epoch": epoch, **state}, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    def _resume(self, stage: Stage, saved: dict[str, Any]) -> int:
        path = self.work / f"{stage.name}.pt"
        if not path.exists():
            return 0
        state = torch.load(path, map_location=cache.device(), weights_only=True)
        for name, part in saved.items():
            part.load_state_dict(state[name])
        epoch: int = state["epoch"]
        return epoch


def step(objective: Objective, encoders: Encoders, rows: Tensor, optimizer: Optimizer) -> float:
    """Do one step of gradient descent."""
    loss, _ = objective.loss(encoders, rows)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], 1.0)
    optimizer.step()
    return loss.item()


def optimizer_for(model: Model, stage: Stage) -> Optimizer:
    """Return the optimizer with groups for heads, towers and temperature; other parameters do not change.

    The text tower is never trained here: words that no caption uses keep their meaning.
    """
    model.requires_grad_(requires_grad=False)
    heads = [*model.visual.head.parameters(), *model.text.proj.parameters()]
    trunk = model.visual.trunk
    seeing = [*trunk.blocks[cache.LOWER_STAGES :], trunk.conv_head, trunk.bn2]
    groups: list[dict[str, Any]] = [
        {"params": heads, "lr": stage.head_rate, "weight_decay": stage.decay},
        {"params": [model.logit_scale], "lr": stage.head_rate, "weight_decay": 0.0},
    ]
    if stage.image_rate > 0:
        parameters = [p for module in seeing for p in module.parameters()]
        groups.append({"params": parameters, "lr": stage.image_rate, "weight_decay": stage.decay})
    for group in groups:
        for parameter in group["params"]:
            parameter.requires_grad_(requires_grad=True)
    return torch.optim.AdamW(groups, betas=(0.9, 0.98))


def learning_mode(model: Model) -> None:
    """Switch on dropout in the heads; batch norm keeps its statistics."""
    model.eval()
    model.visual.head.train()


def main() -> None:
    """Run the whole training."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="flickr8k/, imagenet-sample/")
    parser.add_argument("--work", type=Path, required=True, help="for views and checkpoints")
    parser.add_argument("--out", type=Path, help="where to write the bundle")
    parser.add_argument("--start", type=Path, help="a bundle that is trained on: its towers, and its heads, made wider")
    parser.add_argument("--heads-only", action="store_true", help="stop after the heads: the towers stay as they are")
    parser.add_argument("--without", nargs="*", default=(), help="sets that are left out, to see what is found unseen")
    args = parser.parse_args()
    recipe = Recipe()
    args.work.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(recipe, args.data, args.work, args.start, args.without)
    shared = (trainer.views, trainer.classifier, trainer.frozen, trainer.started, trainer.former)
    trainer.run(recipe.heads, HeadEncoders(trainer.model, *shared, recipe.seed))
    if not args.heads_only:
        trainer.run(recipe.deeper, ImageTowerEncoders(trainer.model, *shared, recipe.seed))
    export(trainer.model, args.out or args.work / "bundle", recipe.shown_size, recipe.resize_mode)


if __name__ == "__main__":
    main()
