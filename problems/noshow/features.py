"""What the model looks at: arithmetic over the named values of one appointment, on numbers and on columns alike.

This file is shipped inside the model, so it imports nothing. Days are counted from 1970-01-01, timestamps in seconds.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

BASE_RATE = 0.2
PATIENT_WEIGHT, AREA_WEIGHT = 2.0, 20.0  # so many visits at the base rate are taken as seen before the first one
LONG_AGO = 366  # stands for the days since the last visit of a patient who has none


def features(row, op, moment):
    """The features by name; `moment` is when the prediction is made."""
    booked_day = row.scheduled_day // 86400
    lead = row.appointment_day - booked_day
    weekday = (row.appointment_day + 3) % 7  # the first of January 1970 was a Thursday
    found = {
        "lead_days": lead,
        "same_day": op.flag(lead == 0),
        "booking_minute": (row.scheduled_day - booked_day * 86400) // 60,
        "booking_weekday": (booked_day + 3) % 7,
        "appointment_weekday": weekday,
        "appointment_month": month(row.appointment_day),
        "weekend_between": op.flag(lead > weekday),
        "sex": row.sex,
        "age": row.age,
        "age_band": age_band(row.age, op),
        "scholarship": row.scholarship,
        "hypertension": row.hypertension,
        "diabetes": row.diabetes,
        "alcoholism": row.alcoholism,
        "handicap": row.handicap,
        "conditions": row.hypertension + row.diabetes + row.alcoholism + op.flag(row.handicap > 0),
        **history(row, op),
    }
    if moment == "day_before":
        found["reminded"] = row.reminded
    return found


def history(row, op):
    """What patient and neighbourhood did before, as far as it was known by then."""
    missed = row.patient_missed + BASE_RATE * PATIENT_WEIGHT
    area_missed = row.area_missed + BASE_RATE * AREA_WEIGHT
    since = op.where(row.patient_visits > 0, row.appointment_day - row.patient_last_day, LONG_AGO)
    return {
        "patient_visits": row.patient_visits,
        "patient_missed": row.patient_missed,
        "patient_missed_rate": op.divide(missed, row.patient_visits + PATIENT_WEIGHT),
        "patient_last_missed": op.flag(row.patient_last_missed > 0),
        "days_since_visit": op.minimum(since, LONG_AGO),
        "area_missed_rate": op.divide(area_missed, row.area_visits + AREA_WEIGHT),
    }


def month(day):
    """The month, 1 to 12, by whole numbers alone: exact from 1900-03-01 to 2100-02-28."""
    since_march = (4 * (day + 25508) + 3) % 1461 // 4  # 1900-03-01 is day -25508; 1461 days are four years
    months = (since_march * 5 + 2) // 153
    return months + 3 - 12 * (months // 10)


def age_band(age, op):
    """How many of these ages have been reached: child, youth, young, middle, old."""
    return op.flag(age >= 12) + op.flag(age >= 18) + op.flag(age >= 35) + op.flag(age >= 60)
