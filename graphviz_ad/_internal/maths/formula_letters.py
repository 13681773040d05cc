"""Letters and digits of formulas: Greek words, what can be raised or lowered, and which texts are numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping

GREEK: Mapping[str, str] = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ϵ", "varepsilon": "ε", "zeta": "ζ", "eta": "η",
    "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ",
    "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "ϕ", "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
    "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Upsilon": "Υ",
    "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
}  # fmt: skip
GREEK_WORDS = "|".join(sorted(GREEK, key=len, reverse=True))
GREEK_IN_TEX = {letter: f"\\{word}" for word, letter in GREEK.items()}

SUPERSCRIPTS = dict(zip("0123456789+-−=()ijnTxy", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁱʲⁿᵀˣʸ", strict=True))
SUBSCRIPTS = dict(zip("0123456789+-−=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True))
PLAIN_DIGITS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")

NUMBER = re.compile(
    r"(?P<minus>[−-]?)(?P<digits>[0-9]+\.?[0-9]*|\.[0-9]+|∞|inf|NaN|nan)(?:[eE](?P<exponent>[−+-]?[0-9]+))?"
)
NUMERIC = re.compile(
    r"\[|(?:True|False)$|[−-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+|∞|inf|NaN|nan)(?:[eE][−+-]?[0-9]+)?(?:$|[+−-])"
)
WRITTEN_OUT = re.compile(r"[−-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
