"""Figures and the one table that they end in."""
import dataclasses
import statistics


@dataclasses.dataclass
class Figure:
    """Samples of one thing measured. Its value is the median; the spread goes from the 10th to the 90th percentile."""
    samples: list
    unit: str
    beside: str = ""  # in the place of the spread

    def at(self, part):
        ordered = sorted(self.samples)
        return ordered[round(part * (len(ordered) - 1))]

    @property
    def value(self):
        return statistics.median(self.samples)

    def p99(self):
        return Figure([self.at(0.99)], self.unit, f"p50 {short(self.value)}")

    def text(self):
        return f"{short(self.value)} {self.unit}"

    def spread(self):
        return self.beside or (f"{short(self.at(0.1))} – {short(self.at(0.9))}" if len(self.samples) > 1 else "")


@dataclasses.dataclass
class Row:
    """What we do, what the peer does at the same time on the same machine, and what is wanted of us."""
    name: str
    ours: Figure
    peer_name: str = ""
    peer: Figure = None
    wanted: str = ""      # ">= 0.6 GB/s", "<= 5 ms", ">= 0.85x": of the figure, or with x of the ratio

    def ratio(self):
        return self.ours.value / self.peer.value if self.peer and self.peer.value else None

    def holds(self):
        """None where nothing is wanted."""
        if not self.wanted:
            return None
        sign, bound = self.wanted.split()[:2]
        of_ratio = bound.endswith("x")
        value = self.ratio() if of_ratio else self.ours.value
        limit = float(bound.rstrip("x").replace(",", ""))
        return value >= limit if sign == ">=" else value <= limit

    def cells(self):
        ratio = self.ratio()
        return [
            self.name, self.ours.text(), self.ours.spread(), self.peer_name, self.peer.text() if self.peer else "",
            f"{ratio:.2f}x" if ratio is not None else "", self.wanted, {None: "", True: "yes", False: "NO"}[self.holds()],
        ]


HEAD = ["figure", "ours", "10th – 90th", "peer", "peer's", "ratio", "wanted", "holds"]


def short(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def render(rows):
    """One Markdown table, its columns aligned."""
    lines = [HEAD] + [row.cells() for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    out = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in lines]
    out.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(out)
