"""How a model is judged: by figures with intervals, by part of the people, against simpler answers, and by gates."""
