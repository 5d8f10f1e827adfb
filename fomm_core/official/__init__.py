"""Import of the configuration files (YAML) that papers' authors publish and that older projects carry around."""

from .family import official_family
from .first_order import config_from_official, config_from_yaml, read_yaml
from .taking import take

__all__ = ["config_from_official", "config_from_yaml", "official_family", "read_yaml", "take"]
