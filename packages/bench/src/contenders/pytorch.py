"""The process of PyTorch: the same requests on stdin and replies on descriptor 3 as child.ts, which see."""

import json
import os
import sys
import time

replies = os.fdopen(3, "w")


def reply(**message):
    print(json.dumps(message), file=replies, flush=True)


try:
    import torch
    import torch.nn.functional as F
    from torch import nn
except ImportError as error:
    reply(absent=str(error))
    sys.exit()

variant, _, setting = sys.argv[1].partition(", ")
if setting != "all threads":
    torch.set_num_threads(1)
KINDS = {"float32": torch.float32, "float64": torch.float64, "int32": torch.int32}


def read(filed):
    size = os.path.getsize(filed["file"]) // (8 if filed["kind"] == "float64" else 4)
    kind = KINDS[filed["kind"]]
    return torch.from_file(filed["file"], size=size, dtype=kind).clone().reshape(filed["shape"])


def write(results, folder):
    filed = {}
    for name, x in results.items():
        x = x.detach().contiguous()
        file = os.path.join(folder, name + ".bin")
        with open(file, "wb") as out:
            out.write(x.numpy().tobytes())
        filed[name] = {"kind": "float32", "shape": list(x.shape), "file": file}
    return filed


def loss(inputs, _):
    logits = inputs["logits"].requires_grad_()
    targets, weights = inputs["targets"].long().flatten(), inputs["weights"].flatten()
    ignored = torch.where(weights != 0, targets, torch.tensor(-100))  # ready made, as a data loader would
    kept = weights != 0

    def value():
        rows = logits.flatten(0, 1)
        if variant == "ignore_index":
            return F.cross_entropy(rows, ignored)
        if variant == "rows that count":
            return F.cross_entropy(rows[kept], targets[kept])
        return (F.cross_entropy(rows, targets, reduction="none") * weights).sum() / weights.sum()

    def work():
        result = value()
        (gradient,) = torch.autograd.grad(result, [logits])
        return {"loss": result, "dLogits": gradient}

    return work


def linear_loss(inputs, _):
    leaves = [inputs[name].requires_grad_() for name in ("hidden", "weight", "bias")]
    hidden, weight, bias = leaves
    targets, weights = inputs["targets"].long().flatten(), inputs["weights"].flatten()
    kept = weights != 0

    def value():
        rows = hidden.flatten(0, 1)
        if variant == "rows that count":
            return F.cross_entropy(F.linear(rows[kept], weight, bias), targets[kept])
        ce = F.cross_entropy(F.linear(rows, weight, bias), targets, reduction="none")
        return (ce * weights).sum() / weights.sum()

    def work():
        result = value()
        gradients = torch.autograd.grad(result, leaves)
        return {"loss": result, **dict(zip(["dHidden", "dWeight", "dBias"], gradients))}

    return work


def matmul(inputs, settings):
    a, b = inputs["a"], inputs["b"]
    a, b = a.t() if settings["transposeA"] else a, b.t() if settings["transposeB"] else b
    return lambda: {"product": a @ b}


def elementwise(inputs, settings):
    a, b, c = inputs["a"], inputs["b"], inputs["c"]
    functions = {
        "exp": lambda: torch.exp(a),
        "tanh": lambda: torch.tanh(a),
        "sigmoid": lambda: torch.sigmoid(a),
        "tanh(a·b + c)": lambda: torch.tanh(a * b + c),
    }
    function = functions[settings["function"]]
    return lambda: {"y": function()}


def embedding(inputs, _):
    table, ids, dy = inputs["table"].requires_grad_(), inputs["ids"].long(), inputs["dy"]

    def work():
        value = (F.embedding(ids, table) * dy).sum()
        (gradient,) = torch.autograd.grad(value, [table])
        return {"value": value, "dTable": gradient}

    return work


def overhead(inputs, settings):
    x = inputs["x"].requires_grad_()

    def work():
        y = x
        for _ in range(settings["ops"] // 2):
            y = torch.tanh(x + y)
        return {"dx": torch.autograd.grad(y, [x])[0]}

    return work


class Model(nn.Module):
    """The model of model.ts, with its names for parameters."""

    def __init__(self, V, E, H):
        super().__init__()
        self.source, self.target = nn.Embedding(V, E), nn.Embedding(V, E)
        cells = variant == "GRUCell loop"
        make = nn.GRUCell if cells else lambda E, H: nn.GRU(E, H, batch_first=True)
        self.encoder, self.decoder = make(E, H), make(E, H)
        self.attention = nn.Linear(H, H, bias=False)
        self.combine, self.output = nn.Linear(2 * H, H), nn.Linear(H, V)
        self.recur = self.by_cell if cells else self.whole

    def by_cell(self, cell, xs, h):
        states = []
        for t in range(xs.shape[1]):
            h = cell(xs[:, t], h)
            states.append(h)
        return torch.stack(states, 1), h

    def whole(self, gru, xs, h):
        outputs, last = gru(xs, None if h is None else h[None])
        return outputs, last[0]

    def step_by_step(self, xs, h, memory):
        logits = []
        for t in range(xs.shape[1]):
            h = self.decoder(xs[:, t], h)
            logits.append(self.logits(h[:, None], memory))
        return torch.cat(logits, 1)

    def logits(self, states, memory):
        scores = states @ self.attention.weight @ memory.transpose(1, 2)
        context = torch.softmax(scores, -1) @ memory
        return self.output(torch.tanh(self.combine(torch.cat([context, states], -1))))

    def forward(self, source, inputs, targets, weights):
        memory, last = self.recur(self.encoder, self.source(source), None)
        if variant == "GRUCell loop" and setting != "attention at once":
            logits = self.step_by_step(self.target(inputs), last, memory)
        else:
            outputs, _ = self.recur(self.decoder, self.target(inputs), last)
            logits = self.logits(outputs, memory)
        ce = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        return (ce * weights.flatten()).sum() / weights.sum()

    def parameter(self, name):
        """`encoder.weightIh` is `encoder.weight_ih_l0` of a GRU and `encoder.weight_ih` of a cell."""
        module, leaf = name.split(".")
        names = {"weightIh": "weight_ih", "weightHh": "weight_hh", "biasIh": "bias_ih", "biasHh": "bias_hh"}
        owner = getattr(self, module)
        own = names.get(leaf, leaf) + ("_l0" if isinstance(owner, nn.GRU) else "")
        return getattr(owner, own)


BATCH = ["source", "input", "target", "weights"]


class Training:
    """What is timed is an iteration with Adam, what is read the loss and gradients at the start."""

    def __init__(self, inputs, settings):
        self.model = Model(settings["V"], settings["E"], settings["H"])
        self.names = [name for name in inputs if name not in BATCH]
        with torch.no_grad():
            for name in self.names:
                self.model.parameter(name).copy_(inputs[name])
        self.batch = [inputs[name] if name == "weights" else inputs[name].long() for name in BATCH]
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=settings["learningRate"])

    def __call__(self):
        self.optimizer.zero_grad(set_to_none=True)
        self.model(*self.batch).backward()
        self.optimizer.step()

    def read(self):
        value = self.model(*self.batch)
        gradients = torch.autograd.grad(value, [self.model.parameter(name) for name in self.names])
        return {"loss": value, **dict(zip(self.names, gradients))}


WORKLOADS = {
    "loss": loss,
    "linearLoss": linear_loss,
    "matmul": matmul,
    "elementwise": elementwise,
    "embedding": embedding,
    "overhead": overhead,
    "training": Training,
}

reply(ready=torch.__version__)
work = None
for line in sys.stdin:
    request = json.loads(line)
    try:
        if "times" in request:
            start = time.perf_counter()
            for _ in range(request["times"]):
                work()
            reply(milliseconds=1000 * (time.perf_counter() - start))
            continue
        if "memory" in request:
            with open("/proc/self/statm") as pages:
                reply(resident=int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"), peak=None)
            continue
        task = request["prepare"]
        work = None  # before the next case takes memory
        inputs = {name: read(filed) for name, filed in task["inputs"].items()}
        work = WORKLOADS[task["workload"]](inputs, task["settings"])
        results = work.read() if hasattr(work, "read") else work()
        reply(results=write(results, task["folder"]))
    except Exception as error:  # whatever it is, the table shows it
        reply(failed=str(error).split("\n")[0])
