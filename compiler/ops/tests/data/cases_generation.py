"""GreedySearch, Sampling, BeamSearch and WhisperBeamSearch of com.microsoft, with the small decoders of generation_decoders.py."""
import numpy as np
import onnx
from onnx import helper

import generation_decoders as decoders
from generate import HERE, Const, compute

I = lambda *v: np.array(v, np.int32)
F = lambda *v: np.array(v, np.float32)
ROWS = I([3, 4, 5], [6, 7, 8])


def store(graph):
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    (HERE / "generation").mkdir(exist_ok=True)
    (HERE / "generation" / f"{graph.name}.onnx").write_bytes(model.SerializeToString())
    return graph


def mask(*without):
    return I(*[int(t not in without) for t in range(decoders.VOCAB)])


def cases(add):
    gpt = store(decoders.gpt("gpt", seed=2))
    other = store(decoders.gpt("gpt_other", seed=3, layers=2))
    half = store(decoders.gpt("gpt_half", seed=2, layers=1, half=True))
    pairs = {name: [store(g) for g in decoders.pair(name, **how)] for name, how in {
        "t5": dict(layers=1), "t5_hidden": dict(layers=1, hidden_input=True), "t5_late": dict(layers=1, early=False),
        "whisper": dict(layers=1, masked=False)}.items()}

    def put(op, about, inputs, outputs, attrs, expect=None):
        attrs = dict(eos_token_id=19, pad_token_id=decoders.PAD) | attrs
        arrays = [x.value if isinstance(x, Const) else x for x in inputs]
        if expect is None:
            expect = compute(f"com.microsoft.{op}", 1, attrs, arrays, outputs, ("ort",))
        if op in ("GreedySearch", "Sampling"):
            # Behind the token with which all have ended, ONNX Runtime leaves what was there.
            found, start = expect[0], arrays[0].shape[1]
            ended = np.logical_or.accumulate(found[:, start:] == decoders.PAD, 1).all(0)
            found[:, start:][:, ended] = decoders.PAD
        add(f"com.microsoft.{op}", 1, inputs, expect, about=about, tolerance=0, attributes=attrs)

    def greedy(about, rows=ROWS, most=10, least=None, penalty=None, masks=(None, None, None), **attrs):
        inputs = [rows, I(most), least and I(least), penalty and F(penalty), *masks]
        put("GreedySearch", about, inputs, 1, dict(decoder=gpt) | attrs)

    greedy("greedy")
    greedy("greedy, ends", eos_token_id=15)
    greedy("greedy, ends apart", eos_token_id=13)
    greedy("greedy, padded prompts", rows=I([1, 1, 5], [6, 7, 8]))
    greedy("greedy, one token to make", most=4)
    greedy("greedy, not before", least=8, eos_token_id=15)
    greedy("greedy, repetition", penalty=1.7, most=12)
    greedy("greedy, no pairs twice", no_repeat_ngram_size=2, decoder=other, most=14)
    greedy("greedy, no token twice", no_repeat_ngram_size=1, most=14)
    greedy("greedy, masks", masks=(mask(18, 13), np.stack([mask(6, 2), mask(3)]), I([0, 1, 1], [1, 1, 1])))
    greedy("greedy, all", penalty=0.6, least=7, no_repeat_ngram_size=3, masks=(mask(2), None, None), eos_token_id=6, most=13)
    put("GreedySearch", "greedy, known lengths", [ROWS, Const(I(9)), Const(I(5)), Const(F(1.2))], 1, dict(decoder=gpt, eos_token_id=6, vocab_size=decoders.VOCAB))
    greedy("greedy, another first decoder", init_decoder=other)

    def sampling(about, seed=3, penalty=None, masks=(None, None, None, None), most=12, **attrs):
        attrs = dict(decoder=gpt, top_p=0.9, min_tokens_to_keep=1) | attrs
        put("Sampling", about, [ROWS, I(most), None, penalty and F(penalty), *masks, None if seed is None else I(seed)], 1, attrs)

    sampling("drawn")
    sampling("drawn, another seed", seed=11)
    sampling("drawn, no seed", seed=None)
    sampling("drawn, warm", temperature=2.5, top_p=0.7)
    sampling("drawn, custom", custom=1, top_p=0.6, temperature=3.0)
    sampling("drawn, the best", top_p=0.0)
    sampling("drawn, filtered", filter_value=-3.0, min_tokens_to_keep=3, top_p=0.2)

    # ONNX Runtime's CPU kernel takes all of the penalty off the first token of the first sample: what it gives where the
    # decoder takes off each token what the documentation says.
    present = np.stack([1 - mask(1, 4, 6), 1 - mask(5, 10)])
    less = decoders.gpt("gpt_less", seed=2, added=-4 * present[:, None])
    attrs = dict(top_p=0.9, min_tokens_to_keep=1)
    expect = compute("com.microsoft.Sampling", 1, attrs | dict(decoder=less, eos_token_id=19, pad_token_id=decoders.PAD), [ROWS, I(12)], 1, ("ort",))
    put("Sampling", "drawn, presence", [ROWS, I(12), *[None] * 5, present], 1, attrs | dict(decoder=gpt, presence_penalty=4.0), expect)

    def beams(about, rows=ROWS, most=10, least=1, count=3, give=2, power=1.0, penalty=None, masks=(None, None, None), start=None, outputs=2, op="BeamSearch", after=(), **attrs):
        inputs = [rows, I(most), I(least), I(count), I(give), F(power), penalty and F(penalty), *masks, start, *after]
        put(op, about, inputs, outputs, (dict(decoder=gpt) if "decoder" not in attrs else {}) | attrs)

    beams("beams")
    beams("one beam", count=1, give=1, eos_token_id=6)
    for eos in (6, 10, 15):
        beams(f"beams, ends with {eos}", eos_token_id=eos, count=4, give=4, most=12)
        beams(f"beams, early with {eos}", eos_token_id=eos, early_stopping=1)
    beams("beams, long ones", power=2.0, eos_token_id=6)
    beams("beams, short ones", power=0.0, eos_token_id=6)
    beams("beams, scores", outputs=3, least=10, most=7)
    beams("beams, padded prompts", rows=I([1, 1, 5], [1, 7, 8]), eos_token_id=6)
    beams("beams, repetition", penalty=1.4, eos_token_id=6, least=6)
    beams("beams, no pairs twice", no_repeat_ngram_size=2, decoder=other, most=13)
    beams("beams, masks", masks=(mask(18, 13), np.stack([mask(6, 2), mask(3)]), I([0, 1, 1], [1, 1, 1])))
    beams("beams, many", count=6, give=3, eos_token_id=6, rows=I([3, 4], [5, 6], [7, 8]))
    beams("beams, another first decoder", init_decoder=other)
    for name in ("t5", "t5_hidden", "t5_late"):
        encoder, decoder = pairs[name]
        attrs = dict(encoder=encoder, decoder=decoder, model_type=1, decoder_start_token_id=2)
        beams(name, rows=I([1, 4, 5, 6], [7, 8, 9, 1]), **attrs)
        beams(f"{name}, ends", eos_token_id=8, most=12, count=4, give=3, **attrs)
        beams(f"{name}, mask", masks=(None, None, I([1, 1, 0], [1, 1, 1])), outputs=3, most=6, least=6, **attrs)
    encoder, decoder = pairs["whisper"]
    attrs = dict(encoder=encoder, decoder=decoder, model_type=2, decoder_start_token_id=2)
    sound = np.random.default_rng(0).integers(-8, 9, (2, 6, 5)).astype(np.float32) / 4
    beams("whisper", rows=sound, **attrs)
    beams("whisper, more tokens given", rows=sound, start=I([2, 3], [4, 5]), eos_token_id=17, **attrs)
    beams("whisper, warm", rows=sound, op="WhisperBeamSearch", after=[None, None, None, F(1.6)], no_timestamps_token_id=3, **attrs)

    # ONNX Runtime's CPU kernels have no half floats: what it gives for the same numbers in single ones.
    single = decoders.gpt("gpt_single", seed=2, layers=1, rounded=True)
    for about, op, inputs, outputs in [
        ("greedy, half", "GreedySearch", [ROWS, I(10)], 1),
        ("beams, half", "BeamSearch", [ROWS, I(10), I(1), I(3), I(2), F(1)], 1),
    ]:
        expect = compute(f"com.microsoft.{op}", 1, dict(decoder=single, eos_token_id=19, pad_token_id=decoders.PAD), inputs, outputs, ("ort",))
        put(op, about, inputs, outputs, dict(decoder=half), expect)
