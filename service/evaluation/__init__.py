"""Measuring Why on questions with known answers."""

from service.evaluation.pairs import EvaluationError
from service.evaluation.results import RetrievalEvaluation, render
from service.evaluation.retrieval import evaluate_retrieval

__all__ = ["EvaluationError", "RetrievalEvaluation", "evaluate_retrieval", "render"]
