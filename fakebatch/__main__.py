"""`python -m fakebatch` runs the command `fakebatch`."""

from fakebatch.cli import main

if __name__ == "__main__":
    main()
