"""The rehearsal: the whole grid on an emulated AWS, with what the emulator lacks played here."""
