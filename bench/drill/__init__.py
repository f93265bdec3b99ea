"""The hospital, played in minutes: weeks of appointments, calls, late outcomes, drift, a retrain and a bad model."""
