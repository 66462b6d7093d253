"""The options that ``ask`` and ``chat`` share."""

from argparse import ArgumentParser, BooleanOptionalAction

from innkeep.cli.arguments import PRIORITIES, add_role, duration_argument, model_name


def add_chat_arguments(parser: ArgumentParser) -> None:
    """Who answers, how urgent it is, and whether it may think."""
    add_role(parser, "ask this role's models (default: what the prompt looks like)")
    parser.add_argument("--model", metavar="MODEL", type=model_name, help="ask this model and no other")
    parser.add_argument(
        "--fallback",
        metavar="MODEL",
        type=model_name,
        action="append",
        dest="fallbacks",
        help="with --model: the next to try; may be given again",
    )
    parser.add_argument("--system", metavar="TEXT", help="instructions that stand before the conversation")
    parser.add_argument("--session", metavar="NAME", help="turns of one session keep their model in memory")
    parser.add_argument(
        "--priority", choices=PRIORITIES, default="interactive", help="who may wait for whom (default: interactive)"
    )
    parser.add_argument(
        "--patience",
        metavar="DURATION",
        type=duration_argument,
        help="rather wait so long for the best model than take a smaller one in memory",
    )
    parser.add_argument(
        "--deadline", metavar="DURATION", type=duration_argument, help="the whole answer must be there by then"
    )
    parser.add_argument("--think", action=BooleanOptionalAction, help="let the model think first and show it, or not")
