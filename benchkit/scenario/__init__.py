"""YAML -> Scenario -> Plan."""
