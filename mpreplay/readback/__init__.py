"""What a run was told is accepted, beside what the platform holds."""
