"""The defect bank: anomalies cut out once, with their surroundings, and stamped on many photos."""

from core.bank.bank import Bank, ImportedEntries, bank_folder, opened_bank
from core.bank.entry import BANK_PREFIX, BankEntry, EntryFacts

__all__ = ["BANK_PREFIX", "Bank", "BankEntry", "EntryFacts", "ImportedEntries", "bank_folder", "opened_bank"]
