# A formula for a tap of one's own. It has never been tried with brew: there was no Mac to try it on.
#
# Before it can be used, a release has to exist. `python packaging/homebrew/make.py URL SHA256 > innkeep.rb` writes its address, and a
# `resource` block for every dependency in place of the line of names below (addresses and hashes from `pip lock`): brew's pip resolves
# nothing by itself, so a dependency without a resource is missing when innkeep starts.
#
# `brew services start innkeep` runs the daemon, but brew's service blocks know neither Unix sockets nor ExitTimeOut: clients are refused
# while it restarts, and launchd ends it 5 s after SIGTERM. `innkeep service install` has neither flaw; use one of them, not both.
class Innkeep < Formula
  include Language::Python::Virtualenv

  desc "Owns which big language model is in a Mac's memory, and tells who waits why"
  homepage "https://innkeep.dev"
  url "https://innkeep.dev/releases/innkeep-0.1.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license "MIT"

  depends_on "python@3.13"

  # resources: anyio click h11 httpcore2 httptools httpx2 idna json5 msgspec prometheus-client psutil ruamel-yaml structlog tomlkit truststore typing-extensions uvicorn

  def install
    virtualenv_install_with_resources
  end

  service do
    run [opt_bin/"innkeepd", "run"]
    keep_alive successful_exit: false
    throttle_interval 10
    process_type :interactive
    environment_variables PATH: std_service_path_env, LANG: "en_US.UTF-8", OLLAMA_HOST: ""
    error_log_path var/"log/innkeep-crash.log"
  end

  def caveats
    <<~EOS
      To start innkeepd now and at every login, with its socket held open across restarts:
        innkeep service install
    EOS
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/innkeepd --version")
    ENV["HOME"] = testpath
    assert_match "dev.innkeep.innkeepd", shell_output("#{bin}/innkeepd service print") if OS.mac?
  end
end
