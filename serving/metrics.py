"""What the service counts, for Prometheus; nothing of a patient."""

from __future__ import annotations

import bisect
import collections
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from serving.predict import Prediction

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
RISKS = tuple(each / 20 for each in range(1, 20))
DAYS = 31  # whose counts are kept
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
TYPE = "text/plain; version=1.0.0; charset=utf-8"


class Metrics:
    """A registry of its own: two services in one process (in a test) do not count together."""

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
        self._children: dict[Any, Any] = {}
        self.requests = Counter("rounds_requests", "Requests, by path and status", ["path", "status"], registry=own)
        self.seconds = Histogram(
            "rounds_request_seconds", "From the first byte read to the answer", ["path"], buckets=SECONDS, registry=own
        )
        self.predictions = Counter("rounds_predictions", "Predictions, by band of risk", ["band"], registry=own)
        self.called = Counter("rounds_predictions_called", "Predictions inside the calling capacity", registry=own)
        self.histories = Counter(
            "rounds_histories", "Predictions, by whether the patient's history was found", ["history"], registry=own
        )
        self.history_down = Counter("rounds_history_down", "Predictions made without any history", registry=own)
        self.rows = Histogram("rounds_batch_rows", "Appointments predicted at once", buckets=ROWS, registry=own)
        self.explained = Counter("rounds_explained", "Predictions whose reasons (SHAP) were given", registry=own)
        self.model = Gauge("rounds_model_info", "The model that answers", ["model", "version", "bundle"], registry=own)
        self.swaps = Counter("rounds_model_swaps", "Times that another model took over", registry=own)
        self.registry_up = Gauge("rounds_registry_up", "Whether the registry answered when last asked", registry=own)
        self.outcomes = Counter("rounds_outcomes", "Outcomes that were told", registry=own)
        self.journal_waiting = Gauge("rounds_journal_waiting", "Segments that the store lacks", registry=own)
        self.journal_lag = Gauge("rounds_journal_lag_seconds", "Age of the oldest line not shipped", registry=own)
        self.journal_full = Gauge("rounds_journal_full", "1 while the journal takes no record", registry=own)
        self.journal_lacking = Gauge(
            "rounds_journal_lacking", "What was shipped from here and the store does not hold any more", registry=own
        )
        self.scores = Scores()
        own.register(self.scores)
        self._days: dict[tuple[int, int], collections.Counter[str]] = {}

    def answered(self, predictions: Sequence[Prediction], version: int) -> None:
        """Once a batch: a label is looked up for each kind of answer, not for each answer."""
        self.rows.observe(len(predictions))
        self.scores.observe([each.probability for each in predictions])
        day = self._day(version)
        kinds = collections.Counter([(each.band, each.history, each.call) for each in predictions])
        for (band, history, call), count in kinds.items():
            self._child(self.predictions, band).inc(count)
            self._child(self.histories, history).inc(count)
            day[band] += count
            if call:
                self.called.inc(count)
                day["called"] += count

    def request(self, path: str, status: int, seconds: float) -> None:
        self._child(self.requests, path, str(status)).inc()
        self._child(self.seconds, path).observe(seconds)

    def _child(self, of: Any, *labels: str) -> Any:
        found = self._children.get((of, labels))
        if found is None:
            found = self._children[of, labels] = of.labels(*labels)
        return found

    def days(self) -> list[dict[str, Any]]:
        """What this process answered, by day (UTC) and version, the newest first."""
        return [
            {"day": time.strftime("%Y-%m-%d", time.gmtime(day * 86400)), "version": version, "called": 0, **counts}
            for (day, version), counts in sorted(self._days.items(), reverse=True)
        ]

    def _day(self, version: int) -> collections.Counter[str]:
        key = (int(time.time() // 86400), version)
        found = self._days.get(key)
        if found is None:
            found = self._days[key] = collections.Counter()
            while len(self._days) > DAYS:
                self._days.pop(next(iter(self._days)))
        return found

    def text(self) -> bytes:
        return generate_latest(self.registry)


class Scores(Collector):
    """How the probabilities lie: a histogram that takes a batch at once, which the library's own does row by row."""

    def __init__(self) -> None:
        self._counts, self._sum = [0] * (len(RISKS) + 1), 0.0

    def observe(self, scores: Sequence[float]) -> None:
        counts, edges, find = self._counts, RISKS, bisect.bisect_left
        for score in scores:
            counts[find(edges, score)] += 1
        self._sum += sum(scores)

    def describe(self) -> Iterable[Any]:
        return []

    def collect(self) -> Iterator[HistogramMetricFamily]:
        total, buckets = 0, []
        for edge, count in zip([*map(str, RISKS), "+Inf"], list(self._counts), strict=True):
            total += count
            buckets.append((edge, float(total)))
        yield HistogramMetricFamily("rounds_score", "Predicted probabilities", buckets=buckets, sum_value=self._sum)
