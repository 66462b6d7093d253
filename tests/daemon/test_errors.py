from innkeepd.errors import ConfigError, DaemonError


def test_a_config_error_is_a_daemon_error_of_one_line():
    error = ConfigError("config.toml: http.port: wrong")
    assert isinstance(error, DaemonError)
    assert error.message == str(error) == "config.toml: http.port: wrong"
