"""What the steps and the service share: the step contract, the store, manifests, knobs and features."""
