"""``python -m niwaki``: the command line, where the script ``niwaki`` isn't on the path."""

from niwaki.cli import main

if __name__ == "__main__":
    main()
