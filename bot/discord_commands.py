"""Slash commands: their names and arguments as Discord shows them, and their answers.

What a command does is the relay's; here each one becomes a name and an argument string.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import discord
from discord import app_commands

from bot.commands import COMMANDS, PRIVATE
from bot.delivery import WENT_WRONG, deliver
from bot.discord_channel import InteractionChannel, MessageChannel
from bot.discord_messages import PLATFORM, place_of
from bot.inflow import one_notice
from bot.types import Event, Notice, RelayLike
from engine.types import Incoming, Result

log = logging.getLogger(__name__)

Interaction = discord.Interaction[discord.Client]
Run = Callable[[Interaction, str, str], Awaitable[None]]

HIDDEN = PRIVATE | {"admin"}  # announced to the caller alone
NOT_ADMITTED = "You are not on the list of people I talk to here."
NOTHING = "There is nothing to say to that."


class Tree(app_commands.CommandTree[discord.Client]):
    """The command tree; an error in one command is logged and told, and ends nothing."""

    async def on_error(self, interaction: Interaction, error: app_commands.AppCommandError, /) -> None:
        """Log what went wrong and say so, if the answer is still open."""
        log.error("discord: a command failed", exc_info=error)
        try:
            if interaction.response.is_done():
                await interaction.followup.send(WENT_WRONG, ephemeral=True)
            else:
                await interaction.response.send_message(WENT_WRONG, ephemeral=True)
        except Exception as exc:  # the interaction is over; the log has the cause
            log.debug("discord: the failure could not be told: %s", type(exc).__name__)


def build_tree(client: discord.Client, run: Run, persona_name: str) -> Tree:
    """The commands of `bot.commands` and the `/admin` group, each calling `run(interaction, name, args)`."""
    tree = Tree(
        client,
        allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=False),
        allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
    )
    for name, what in COMMANDS.items():
        tree.add_command((_named if name == "audience" else _plain)(name, what, run))
    tree.add_command(_admin(run, persona_name))
    return tree


def _plain(name: str, what: str, run: Run) -> app_commands.Command[app_commands.Group, ..., None]:
    async def callback(interaction: Interaction) -> None:
        await run(interaction, name, "")

    return app_commands.Command(name=name, description=what[:100], callback=callback)


def _named(name: str, what: str, run: Run) -> app_commands.Command[app_commands.Group, ..., None]:
    """A command that may be followed by a name."""

    async def callback(interaction: Interaction, name_of: str = "") -> None:
        await run(interaction, name, name_of)

    callback = app_commands.rename(name_of="name")(callback)
    return app_commands.Command(name=name, description=what[:100], callback=callback)


def _admin(run: Run, persona_name: str) -> app_commands.Group:
    """`/admin adapters list|load|unload|reload|rollback`, strength, news refresh, channel on|off, status."""
    admin = app_commands.Group(name="admin", description=f"Settings of {persona_name}, for admins"[:100])
    adapters = app_commands.Group(name="adapters", description="The persona's adapters", parent=admin)
    news = app_commands.Group(name="news", description="The knowledge index", parent=admin)
    channel = app_commands.Group(name="channel", description="Answers without a mention", parent=admin)

    def fixed(group: app_commands.Group, name: str, what: str, args: str) -> None:
        async def callback(interaction: Interaction) -> None:
            await run(interaction, "admin", args)

        group.add_command(app_commands.Command(name=name, description=what, callback=callback))

    def named(verb: str, what: str) -> None:
        async def callback(interaction: Interaction, name: str) -> None:
            await run(interaction, "admin", f"adapters {verb} {name}")

        adapters.add_command(app_commands.Command(name=verb, description=what, callback=callback))

    async def strength(interaction: Interaction, name: str, value: float) -> None:
        await run(interaction, "admin", f"strength {name} {value:g}")

    fixed(adapters, "list", "Loaded adapters with hashes and strengths", "adapters list")
    named("load", "Load an adapter from the persona's folder")
    named("unload", "Unload an adapter")
    named("reload", "Read an adapter again from its folder")
    named("rollback", "Go back to the adapter's version before")
    admin.add_command(
        app_commands.Command(
            name="strength", description="How strongly an adapter speaks, 0 to 1", callback=strength
        )
    )
    fixed(news, "refresh", "Fetch the news and rebuild the index", "news refresh")
    fixed(channel, "on", "Answer everything that is written here", "channel on")
    fixed(channel, "off", "Answer here only when I am addressed", "channel off")
    fixed(admin, "status", "Parts of the service and how they are", "status")
    return admin


# --- answering -----------------------------------------------------------------------------


def caller_of(interaction: Interaction) -> Incoming:
    """Who used a command, and where."""
    place = place_of(interaction.channel, interaction.guild_id)
    return Incoming(
        platform=PLATFORM,
        conversation=place.conversation,
        message_id=str(interaction.id),
        user_id=str(interaction.user.id),
        user_name=interaction.user.display_name,
        text="",
        is_group=place.guild_id is not None,
        sent_at=interaction.created_at,
    )


async def answer(
    interaction: Interaction,
    name: str,
    args: str,
    relay: RelayLike,
    fallback: MessageChannel,
    footer: Callable[[Result], str],
) -> None:
    """Run a command through the relay and show what it says.

    Args:
        interaction: not acknowledged yet; that is done first, Discord waits three seconds.
        name: the command, `args` its arguments as one string.
        relay: runs it.
        fallback: takes public answers when the interaction has expired.
        footer: sources of a repeated reply.
    """
    caller = caller_of(interaction)
    channel = InteractionChannel(interaction, fallback)
    await channel.defer(private=name in HIDDEN or not relay.admits(caller))
    if not relay.admits(caller):
        await deliver(one_notice(NOT_ADMITTED), channel, relay)
        return
    done = await deliver(_opened(relay.command(name, args, caller), channel), channel, relay, footer=footer)
    log.info("discord: /%s: %s", name, done.outcome)
    if done.outcome == "nothing":
        await deliver(one_notice(NOTHING), channel, relay)


async def _opened(events: AsyncIterator[Event], channel: InteractionChannel) -> AsyncIterator[Event]:
    """The same events; a first notice that is private makes the channel so before it is shown."""
    first = True
    try:
        async for event in events:
            if first and isinstance(event, Notice) and event.private:
                await channel.make_private()
            first = False
            yield event
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()
