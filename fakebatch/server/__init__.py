"""The emulator behind a socket: for clients in other processes and other languages."""
