"""Budgets, and the search for a setting that keeps them. No torch, and no method is known here."""

from niwaki.planner.budget import Budget as Budget, broken as broken, check_result as check_result
from niwaki.planner.search import Bisection as Bisection, bisect as bisect, ladder as ladder
