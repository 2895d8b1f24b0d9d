"""One command per figure in docs/benchmarks.md, and the maker of the sample night."""
