"""Makes hf-ctc and hf-seq2seq: a Parakeet CTC and a Whisper of transformers, overfitted on the clips of common.py.

    PYTHONPATH=.:tests python tests/tiny/make_hf.py ctc|seq2seq|more|check

`more` goes on with the Whisper that is there: the one here was made by `seq2seq` and then `more`.

Right labels, as the models' own training has them:
- CTC: a token a frame of 80 ms (8 x 10 ms), a word's tokens over the frames in which it is spoken, blanks elsewhere.
- Whisper: <|startoftranscript|><|en|><|transcribe|>, then a segment a speaker, `<|0.48|> text<|1.66|>`; a prompt goes
  before, behind <|startofprev|>. What is asked for must be seen to be heeded, so <|de|> gives capitals, <|translate|>
  small letters, and the prompt "Milady" one word instead of two.

Both are driven by the sound: lead, trailing silence, gain and noise vary at every step, and noise, silence and other
speech mean nothing.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import common
import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    ParakeetCTCConfig,
    ParakeetEncoderConfig,
    ParakeetFeatureExtractor,
    ParakeetForCTC,
    ParakeetProcessor,
    ParakeetTokenizer,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)

from speechcli.core.languages import WHISPER

RATE = 16_000
FRAME = 0.08  # seconds of one answer of the CTC model
LEAD = 0.2  # seconds that leads are multiples of: Whisper's 20 ms steps in between would cost hours to learn
HOTWORD = "Milady"


def bare(text: str) -> str:
    """A text as the CTC model writes it: small letters, no punctuation."""
    return " ".join(re.findall(r"[a-z']+", text.lower()))


def varied(samples: NDArray[np.float32], random: np.random.Generator, most: float) -> tuple[NDArray[np.float32], float]:
    """The sound with a lead, an end, a gain and a noise of its own, and the seconds of the lead."""
    room = most - len(samples) / RATE
    lead, trail = (random.uniform(0, 0.5 * room) * (random.random() < 0.8) for _ in range(2))
    lead = round(lead / LEAD) * LEAD
    quiet = 10 ** random.uniform(-5, -3)
    n_lead = round(lead * RATE)
    long = np.zeros(n_lead + len(samples) + round(trail * RATE), np.float32)
    long[n_lead : n_lead + len(samples)] = samples * 10 ** random.uniform(-0.5, 0.2)
    return (long + random.normal(0, quiet, len(long))).astype(np.float32), n_lead / RATE


def nothing(random: np.random.Generator, most: float) -> NDArray[np.float32]:
    """Noise, silence or speech that means nothing."""
    n = round(random.uniform(0.6, most) * RATE)
    match random.integers(3):
        case 0:
            return random.normal(0, 10 ** random.uniform(-4, -0.7), n).astype(np.float32)
        case 1:
            return np.zeros(n, np.float32)
        case _:
            speech = common.recording(common.NEGATIVES[random.integers(len(common.NEGATIVES))], RATE)
            begin = random.integers(max(1, len(speech) - n))
            return np.array(speech[begin : begin + n])


def train(
    model: torch.nn.Module, losses: Callable[[int], torch.Tensor], steps: int, rate: float, settled: float = 1.0
) -> None:
    """settled: share of the steps after which norms keep the statistics they have gathered."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.0, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min(1, s / 30) * max(0.03, 1 - s / steps))
    begun = time.time()
    model.train()
    for step in range(steps):
        if step == int(settled * steps):
            model.eval()
        loss = losses(step)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if step % 25 == 0 or step == steps - 1:
            print(f"step {step} loss {loss.item():.4f} {time.time() - begun:.0f} s", flush=True)
    model.eval()


# --- CTC ---------------------------------------------------------------------------------------------------------


def parakeet() -> tuple[ParakeetForCTC, ParakeetProcessor]:
    """As nvidia/parakeet-ctc-1.1b, small: 80 mels, 8-fold subsampling, SentencePiece-like tokens, blank = padding."""
    texts = [bare(common.text(name)) for name in common.CLIPS]
    bpe = Tokenizer(models.BPE(unk_token="<unk>"))
    bpe.pre_tokenizer = pre_tokenizers.Metaspace()
    bpe.decoder = decoders.Metaspace()
    bpe.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=110, special_tokens=["<unk>"], show_progress=False))
    tokenizer = ParakeetTokenizer(tokenizer_object=bpe, unk_token="<unk>", pad_token="<pad>")
    processor = ParakeetProcessor(ParakeetFeatureExtractor(), tokenizer)
    encoder = ParakeetEncoderConfig(
        hidden_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=192,
        subsampling_conv_channels=32,
        dropout=0.0,
        layerdrop=0.0,
        activation_dropout=0.0,
        attention_dropout=0.0,
    )
    config = ParakeetCTCConfig(vocab_size=len(tokenizer), encoder_config=encoder, pad_token_id=tokenizer.pad_token_id)
    return ParakeetForCTC(config), processor


def frames_of(name: str, lead: float, n: int, tokenizer: ParakeetTokenizer) -> torch.Tensor:
    """The token of each frame, shape (n,): a word's tokens share its frames; a blank parts equal neighbours."""
    labels = [tokenizer.pad_token_id] * n
    for word, start, end in common.words(name):
        ids = tokenizer(bare(word), add_special_tokens=False)["input_ids"]
        first = round((start + lead) / FRAME)
        last = max(round((end + lead) / FRAME), first + len(ids))
        edges = [first + (last - first) * i // len(ids) for i in range(len(ids) + 1)]
        for i, (token, begin, stop) in enumerate(zip(ids, edges[:-1], edges[1:], strict=True)):
            repeated = i + 1 < len(ids) and ids[i + 1] == token
            for frame in range(begin, min(stop - repeated, n)):
                labels[frame] = token
    return torch.tensor(labels)


def make_ctc(steps: int = 900) -> None:
    torch.manual_seed(3)
    random = np.random.default_rng(3)
    model, processor = parakeet()
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters")
    names = list(common.CLIPS)

    def loss(step: int) -> torch.Tensor:
        sounds: list[tuple[str | None, NDArray[np.float32], float]] = []
        for name in names:
            samples = common.sound(name, RATE)
            plain = random.random() < 0.25
            sounds.append((name, samples, 0.0) if plain else (name, *varied(samples, random, 9.0)))
        sounds += [(None, nothing(random, 5.0), 0.0) for _ in range(2)]
        inputs = processor([sound for _, sound, _ in sounds], sampling_rate=RATE)
        logits = model(**inputs).logits
        lengths = model._get_subsampling_output_length(inputs["attention_mask"].sum(-1))
        blank = processor.tokenizer.pad_token_id
        labels = torch.full(logits.shape[:2], -100)
        for row, ((name, _, lead), n) in enumerate(zip(sounds, lengths.tolist(), strict=True)):
            labels[row, :n] = blank if name is None else frames_of(name, lead, n, processor.tokenizer)
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=-100)

    train(model, loss, steps, 3e-3, settled=0.6)
    save(model, processor, "hf-ctc")
    check_ctc()


def check_ctc() -> None:
    folder = common.HERE / "hf-ctc"
    model, processor = (
        ParakeetForCTC.from_pretrained(folder, dtype=torch.float32),
        ParakeetProcessor.from_pretrained(folder),
    )

    def heard(samples: NDArray[np.float32]) -> str:
        with torch.no_grad():
            ids = model.generate(**processor([samples], sampling_rate=RATE))
        return processor.batch_decode(ids)[0]

    checked(heard, {name: bare(common.text(name)) for name in common.CLIPS}, seed=17)


# --- Whisper -----------------------------------------------------------------------------------------------------


def whisper_processor() -> WhisperProcessor:
    """The tokens of openai/whisper in their order; few words, all languages."""
    said = [answer(name, *asked) for name in common.CLIPS for asked in ASKED]
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        [re.sub(r"<\|[\d.]+\|>", " ", text) for text in said] + [f" {HOTWORD}"] * 4,
        trainers.BpeTrainer(vocab_size=420, initial_alphabet=alphabet, show_progress=False),
    )
    import json

    made = json.loads(bpe.to_str())["model"]
    tokenizer = WhisperTokenizer(vocab=made["vocab"], merges=[tuple(merge) for merge in made["merges"]])
    special = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in WHISPER), "<|translate|>"]
    special += ["<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in special], special_tokens=True)
    times = [AddedToken(f"<|{i * 0.02:.2f}|>", special=False, normalized=False) for i in range(1501)]
    tokenizer.add_tokens(times)
    tokenizer.pad_token = "<|endoftext|>"
    return WhisperProcessor(WhisperFeatureExtractor(), tokenizer)


ASKED = (("en", "transcribe", ""), ("de", "transcribe", ""), ("en", "translate", ""), ("en", "transcribe", HOTWORD))
"""(language, task, prompt)"""


def answer(name: str, language: str, task: str, prompt: str, lead: float = 0.0) -> str:
    """What Whisper is to write, with its times."""
    out = ""
    for start, end, _, text in common.turns(name):
        text = text.upper() if language == "de" else text.lower() if task == "translate" else text
        text = text.replace("my lady", HOTWORD) if prompt == HOTWORD else text
        times = [round((t + lead) / 0.02) * 0.02 for t in (start, end)]
        out += f"<|{times[0]:.2f}|> {text}<|{times[1]:.2f}|>"
    return out


def whisper_model(tokenizer: WhisperTokenizer, positions: int) -> WhisperForConditionalGeneration:
    ids = tokenizer.convert_tokens_to_ids
    end = ids("<|endoftext|>")
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        num_mel_bins=80,
        d_model=64,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        max_source_positions=positions,
        max_target_positions=448,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=ids("<|startoftranscript|>"),
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        decoder_start_token_id=ids("<|startoftranscript|>"),
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        max_length=448,
        is_multilingual=True,
        lang_to_id={f"<|{code}|>": ids(f"<|{code}|>") for code in WHISPER},
        task_to_id={task: ids(f"<|{task}|>") for task in ("transcribe", "translate")},
        no_timestamps_token_id=ids("<|notimestamps|>"),
        prev_sot_token_id=ids("<|startofprev|>"),
        max_initial_timestamp_index=1500,  # a clip may begin late in its window
        begin_suppress_tokens=[ids("Ġ"), end],
        return_timestamps=False,
    )
    return model


@dataclass(frozen=True, slots=True)
class Row:
    """One sound of a step. tokens: the decoder's. given: how many of them it is told. name, lead: of the clip."""

    sound: NDArray[np.float32]
    tokens: list[int]
    given: int
    name: str | None = None
    lead: float = 0.0


def whisper_rows(random: np.random.Generator, tokenizer: WhisperTokenizer, most: float) -> Iterator[Row]:
    ids = tokenizer.convert_tokens_to_ids
    for name in common.CLIPS:
        samples = common.sound(name, RATE)
        sound, lead = (samples, 0.0) if random.random() < 0.3 else varied(samples, random, most)
        language, task, prompt = ASKED[0] if random.random() < 0.55 else ASKED[random.integers(1, len(ASKED))]
        told = tokenizer.get_prompt_ids(" " + prompt).tolist() if prompt else []
        head = [*told, *ids(["<|startoftranscript|>", f"<|{language}|>", f"<|{task}|>"])]
        body = tokenizer(answer(name, language, task, prompt, lead), add_special_tokens=False)["input_ids"]
        # the language is the model's to tell, unless it is another than is spoken
        given = len(head) - (2 if (language, task, prompt) == ASKED[0] else 0)
        yield Row(sound, [*head, *body, ids("<|endoftext|>")], given, name, lead)
    for _ in range(2):
        tokens = ids(["<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|0.00|>", "<|endoftext|>"])
        yield Row(nothing(random, min(most, 6.0)), tokens, 1)


def words_of(row: Row, n: int) -> torch.Tensor:
    """Which word of all clips is spoken in each 20 ms of a row, shape (n,); 0 for none."""
    labels = torch.zeros(n, dtype=torch.long)
    before = 1
    for name in common.CLIPS:
        for i, (_, start, end) in enumerate(common.words(name)):
            if name == row.name:
                labels[round((start + row.lead) / 0.02) : round((end + row.lead) / 0.02)] = before + i
        before += len(common.words(name))
    return labels


N_WORDS = 1 + sum(len(common.words(name)) for name in common.CLIPS)


def make_seq2seq(
    heard_steps: int = 200, short_steps: int = 450, long_steps: int = 8, rate: float = 2e-3, more: bool = False
) -> None:
    """First the encoder learns to tell the words apart, by a head that is thrown away; then the decoder joins.

    Without that the decoder learns the texts by heart and never listens: which of them it is decides one token in 25.
    """
    torch.manual_seed(4)
    random = np.random.default_rng(4)
    processor = whisper_processor()
    tokenizer, end = processor.tokenizer, processor.tokenizer.eos_token_id
    head = torch.nn.Linear(64, N_WORDS)
    first = tokenizer.convert_tokens_to_ids("<|0.00|>")

    def losses(model: WhisperForConditionalGeneration, decoding: bool) -> Callable[[int], torch.Tensor]:
        n_frames = model.config.max_source_positions

        def loss(step: int) -> torch.Tensor:
            rows = list(whisper_rows(random, tokenizer, 7.5))
            features = processor.feature_extractor(
                [row.sound for row in rows], sampling_rate=RATE, return_tensors="pt", max_length=n_frames // 50 * RATE
            )["input_features"]
            encoded = model.model.encoder(features)
            said = torch.stack([words_of(row, n_frames) for row in rows])
            heard = torch.nn.functional.cross_entropy(head(encoded.last_hidden_state).flatten(0, 1), said.flatten())
            heard = 0 * heard if more else heard  # the head has been thrown away
            if not decoding:
                return heard
            width = max(len(row.tokens) for row in rows)
            inputs = torch.tensor([row.tokens + [end] * (width - len(row.tokens)) for row in rows])
            labels = torch.full((len(rows), width - 1), -100)
            for i, row in enumerate(rows):
                labels[i, row.given - 1 : len(row.tokens) - 1] = torch.tensor(row.tokens[row.given :])
            logits = model(encoder_outputs=encoded, decoder_input_ids=inputs[:, :-1], use_cache=False).logits
            each = torch.nn.functional.cross_entropy(
                logits.transpose(1, 2), labels, ignore_index=-100, reduction="none"
            )
            deciding = 1.0 + 9.0 * (inputs[:, :-1] >= first)  # after a time: which words these are
            return heard + (each * deciding).sum() / (deciding * (labels >= 0)).sum()

        return loss

    # Its 30 s cost fourteen times as much to attend to as 8 s: first the short windows, then the whole ones.
    short = whisper_model(tokenizer, 400)
    short.head = head  # trained along
    print(f"{sum(p.numel() for p in short.parameters()) / 1e6:.2f} M parameters")
    if more:
        there = WhisperForConditionalGeneration.from_pretrained(common.HERE / "hf-seq2seq", dtype=torch.float32)
        short.load_state_dict(but_positions(there), strict=False)
    else:
        train(short, losses(short, decoding=False), heard_steps, 3e-3)
    train(short, losses(short, decoding=True), short_steps, rate)
    del short.head
    model = whisper_model(tokenizer, 1500)
    model.load_state_dict(but_positions(short), strict=False)
    train(model, losses(model, decoding=True), long_steps, rate / 4)
    save(model, processor, "hf-seq2seq")
    check_seq2seq()


def but_positions(model: WhisperForConditionalGeneration) -> dict[str, torch.Tensor]:
    """The weights, without the encoder's positions: sines, and more of them for a longer window."""
    return {name: w for name, w in model.state_dict().items() if "encoder.embed_positions" not in name}


def check_seq2seq() -> None:
    folder = common.HERE / "hf-seq2seq"
    model = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    processor = WhisperProcessor.from_pretrained(folder)

    def told(**asked: object) -> Callable[[NDArray[np.float32]], str]:
        def heard(samples: NDArray[np.float32]) -> str:
            features = processor([samples], sampling_rate=RATE, return_tensors="pt")["input_features"]
            # named both: transformers leaves the task out of the prompt where neither is
            ids = model.generate(features, return_timestamps=True, **({"language": "en", "task": "transcribe"} | asked))
            return processor.decode(ids[0], skip_special_tokens=True).strip().removeprefix(HOTWORD).strip()

        return heard

    texts = {name: common.text(name) for name in common.CLIPS}
    checked(told(), texts, seed=17)
    checked(told(language="de"), {name: text.upper() for name, text in texts.items()}, seed=None)
    checked(told(task="translate"), {name: text.lower() for name, text in texts.items()}, seed=None)
    prompt = torch.tensor(processor.get_prompt_ids(" " + HOTWORD))
    checked(told(prompt_ids=prompt), {n: t.replace("my lady", HOTWORD) for n, t in texts.items()}, seed=None)


# --- both --------------------------------------------------------------------------------------------------------


def save(model: ParakeetForCTC | WhisperForConditionalGeneration, processor: object, name: str) -> None:
    """In bfloat16; the padding of the last call is no part of a tokenizer (transformers would store it)."""
    folder = common.HERE / name
    model.to(torch.bfloat16).save_pretrained(folder)
    processor.tokenizer.backend_tokenizer.no_padding()
    processor.tokenizer.backend_tokenizer.no_truncation()
    processor.save_pretrained(folder)
    print({path.name: path.stat().st_size for path in sorted(folder.iterdir())})


def checked(heard: Callable[[NDArray[np.float32]], str], texts: dict[str, str], seed: int | None) -> None:
    """Says what came, and raises where it is not right: plain, varied (with a seed), and nothing where nothing is."""
    wrong = 0
    for name, text in texts.items():
        sounds = [common.sound(name, RATE)]
        if seed is not None:
            random = np.random.default_rng(seed)
            sounds += [varied(sounds[0], random, 9.0)[0] for _ in range(2)]
        for i, sound in enumerate(sounds):
            found = heard(sound)
            if found != text:
                print(f"{name} {i}: {found!r}, not {text!r}")
                wrong += 1 if i == 0 else 0
    if seed is not None:
        for sound in (np.zeros(RATE, np.float32), common.faint(4.0, RATE), nothing(np.random.default_rng(8), 4.0)):
            found = heard(sound)
            if found:
                print(f"nothing: {found!r}")
                wrong += 1
    assert not wrong, f"{wrong} wrong answers"


if __name__ == "__main__":
    torch.set_num_threads(1)
    match sys.argv[1]:
        case "ctc":
            make_ctc()
        case "seq2seq":
            make_seq2seq()
        case "more":
            make_seq2seq(short_steps=330, long_steps=45, rate=1.5e-3, more=True)
        case "check":
            check_ctc()
            check_seq2seq()
