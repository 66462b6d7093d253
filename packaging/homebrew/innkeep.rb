# A formula for a tap of one's own. It has never been tried with brew: there was no Mac to try it on.
#
# Before it can be used, a release has to exist: put its address and sha256 below, then let brew write the `resource` blocks for the
# Python dependencies of the extra `daemon`:  brew update-python-resources --extra-packages="innkeep[daemon]" innkeep
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

  def install
    virtualenv_create(libexec, "python3.13").pip_install(buildpath/".[daemon]")
    bin.install_symlink libexec/"bin/innkeep", libexec/"bin/innkeepd"
  end

  service do
    run [opt_bin/"innkeepd", "run"]
    keep_alive successful_exit: false
    throttle_interval 10
    process_type :interactive
    environment_variables PATH: std_service_path_env, LANG: "en_US.UTF-8"
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
