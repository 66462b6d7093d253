"""The LaunchAgent or systemd unit, the doctor and its report."""
