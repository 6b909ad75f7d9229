"""What masking costs, measured: ``sidra bench constraint``."""
