"""Money: wallets, holds, the ledger that proves them, prices and usage."""
