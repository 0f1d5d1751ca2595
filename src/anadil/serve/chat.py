"""The terminal chat. At a terminal it greets and prompts; from a pipe it answers one question a line."""

import sys
from contextlib import closing
from typing import TextIO

from anadil.engines.protocol import Engine, GenerateParams, PromptTooLong
from anadil.languages import LanguageProfile
from anadil.recipe import Serve
from anadil.serve.strings import page_strings

NEW, EXIT = "/new", "/exit"


def chat(
    engine: Engine,
    profile: LanguageProfile,
    settings: Serve | None = None,
    *,
    stdin: TextIO | None = None,
    stdout: TextIO | None = None,
) -> None:
    """Talk until /exit or the end of the input. /new forgets the conversation; Ctrl-C stops an answer."""
    Conversation(engine, profile, settings or Serve(), stdin or sys.stdin, stdout or sys.stdout).run()


class Conversation:
    """The messages so far, and where they come from and go to."""

    def __init__(self, engine: Engine, profile: LanguageProfile, settings: Serve, stdin: TextIO, stdout: TextIO):
        self.engine, self.settings, self.stdin, self.stdout = engine, settings, stdin, stdout
        self.strings = page_strings(profile)
        self.interactive = stdin.isatty()
        self.messages: list[dict[str, str]] = []

    def run(self) -> None:
        """The loop."""
        if self.interactive:
            self.say(f"{self.strings['greeting']}\n({NEW} · {EXIT} · Ctrl-C)\n")
        while (question := self.next_question()) is not None and question != EXIT:
            if question == NEW:
                self.messages.clear()
                if self.interactive:
                    self.say(f"— {self.strings['new_chat']} —\n")
            elif question:
                self.answer(question)
        if self.interactive:
            self.say(f"{self.strings['goodbye']}\n")

    def next_question(self) -> str | None:
        """The next line; None at the end of the input."""
        while True:
            try:
                line = self.read(f"{self.strings['you']}: ")
            except KeyboardInterrupt:
                if not self.interactive:
                    raise
                self.say("\n")  # as in a shell: the line is given up, not the program
                continue
            return _readable(line).strip() if line else None

    def read(self, prompt: str) -> str:
        """A line with its end; empty at the end of the input."""
        if not self.interactive:
            return self.stdin.readline()
        if self.stdin is sys.stdin and self.stdout is sys.stdout:
            import readline  # noqa: F401  its import gives input() a line editor

            try:
                return input(prompt) + "\n"
            except EOFError:
                self.say("\n")
                return ""
        self.say(prompt)
        return self.stdin.readline()

    def answer(self, question: str) -> None:
        """Stream the answer; what came before a Ctrl-C stays in the conversation."""
        self.messages.append({"role": "user", "content": question})
        if self.interactive:
            self.say(f"{self.strings['assistant']}: ")
        text = ""
        try:
            with closing(self.engine.generate(self.fitting(), self.params())) as tokens:
                for token in tokens:
                    text += token.text
                    self.say(token.text)
        except KeyboardInterrupt:
            if not self.interactive:
                raise
        except PromptTooLong as error:
            if not self.interactive:
                raise
            self.messages.clear()  # nothing older was left
            self.say(f"{error}\n")
            return
        self.say("\n")
        self.messages.append({"role": "assistant", "content": text})

    def fitting(self) -> list[dict[str, str]]:
        """System prompt and messages, without the oldest questions and answers if the context is too short for all."""
        system = [{"role": "system", "content": self.settings.system_prompt}] if self.settings.system_prompt else []
        most = self.engine.longest_prompt(self.settings.max_new_tokens)
        while len(self.engine.prompt_ids(system + self.messages)) > most and len(self.messages) > 1:
            del self.messages[:2]
        return system + self.messages

    def params(self) -> GenerateParams:
        """As the recipe says."""
        return GenerateParams(max_new_tokens=self.settings.max_new_tokens, temperature=self.settings.temperature)

    def say(self, text: str) -> None:
        """Write at once."""
        self.stdout.write(text)
        self.stdout.flush()


def _readable(line: str) -> str:
    """Bytes that are no UTF-8, which Python lets through as lone surrogates, become U+FFFD."""
    return line.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
