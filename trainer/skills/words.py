"""Word lists from which names are built."""

from __future__ import annotations


def listed(text: str) -> tuple[str, ...]:
    """The words of `text`, separated by commas or, where it has none, by spaces."""
    parts = text.split(",") if "," in text else text.split()
    return tuple(" ".join(p.split()) for p in parts)


WOMEN = listed(
    """
    Ada Alice Amelia Amina Ana Anna Aisha Beatrice Carla Carmen Clara Chloe Dana Daisy Diana Edith Elena
    Ella Emma Esther Eva Fatima Fiona Flora Grace Greta Hana Hannah Helen Ida Ines Irene Isla Ivy Jane
    Joan Judith Julia Kate Kira Laura Leila Lena Lily Lina Lucy Luisa Mara Maria Martha Maya Mei Mina
    Nadia Naomi Nina Nora Olga Olive Petra Priya Rania Rosa Ruth Sara Selma Sofia Stella Sylvia Tara
    Tessa Thea Vera Wanda Yara Yuki Zara Zoe
    """
)
MEN = listed(
    """
    Aaron Adam Ahmed Alan Albert Ali Andre Anton Arthur Ben Boris Carl Carlos Colin Daniel David Diego
    Edgar Emil Eric Ethan Felix Finn Frank Fred George Hans Harry Hassan Henry Hugo Ian Igor Isaac Ivan
    Jack James Jan Jonas Jorge Joseph Karim Kenji Kofi Lars Leo Liam Louis Luca Luke Marco Mark Martin
    Matteo Max Miles Milo Nils Noah Oliver Omar Oscar Otto Paul Pedro Peter Rafael Raj Ravi Robin Samuel
    Simon Stefan Sven Theo Thomas Tom Victor Viktor Walter Will Yusuf
    """
)
FIRST_NAMES = frozenset(WOMEN + MEN) | frozenset(
    listed(
        """
        John William James George Charles Robert Thomas Henry David Michael Richard Joseph Edward Peter Paul
        Mary Mark Stephen Steven Andrew Daniel Martin Francis Frank Frederick Arthur Albert Alexander Walter
        Louis Samuel Benjamin Elizabeth Anne Margaret Sarah Jane Catherine Alice Helen Barbara Susan
        Jennifer Barack Bill Hillary Tony Gordon Vladimir Nicolas Angela Kofi Ariel Mahmoud Saddam Osama
        Silvio Jacques Gerhard Hugo Fidel Nelson Kevin Brian Scott Jason Eric Patrick Philip Simon Adam Alan
        Ben Chris Christopher Matthew Anthony Donald Ronald Kenneth Roger Jimmy Johnny Billy Bob Jim Tom
        Jack Harry Fred Sam Joe Mike Steve Jeff Greg Ian Neil Karl Hans Johann Friedrich Wilhelm Otto Pierre
        Jean Juan Carlos Jose Antonio Pedro Luis Mohammed Ali Ahmed Hassan Ibrahim Abdul Yasser Kim Emily
        Emma Julia Laura Lisa Linda Nancy Ruth Rose Grace Victoria Diana Charlotte Caroline Sophia Isabella
        Maria
        """
    )
)
"""By which a person is told from other names in capitals."""

SURNAMES = listed(
    """
    Adams Alvarez Bailey Baker Banerjee Barnes Becker Bennett Berg Black Bishop Brandt Brooks Burke
    Campbell Carter Chen Clarke Cole Collins Cooper Costa Cruz Dalton Davies Diaz Dixon Doyle Duran
    Ellis Evans Farah Fischer Fisher Fleming Fox Fraser Garcia Gibson Gomez Gray Green Grant Gupta Haas
    Hale Hamid Hansen Harper Hayes Hill Holt Hughes Hunt Ibrahim Iyer Jansen Jensen Jones Kaya Keller
    Kelly Khan Kim King Klein Kowalski Kumar Lang Larsen Lee Lewis Lindgren Lopez Marsh Martinez Mason
    Mendes Meyer Miller Mills Moore Morales Moreno Morgan Murphy Nakamura Nguyen Novak Nowak Okafor
    Olsen Ortiz Osman Owens Palmer Park Patel Perez Petrov Porter Price Quinn Ramos Reed Reyes Richter
    Rivera Rossi Russo Sanders Santos Sato Schmidt Shah Shaw Silva Singh Stone Suzuki Tanaka Taylor
    Torres Turner Vargas Vogel Wagner Walsh Wang Ward Weber West White Wong Wood Wright Yilmaz Young
    Zhang
    """
)
HEADS = listed(
    """
    Al Ar Ash Bar Bel Ber Black Bran Bright Brook Cal Car Cas Clay Cor Cran Dal Dar Del Dor Dun East El
    Elm Ems Fal Fen Fern Gal Glen Gold Grim Hal Har Hart Haver Hol Horn Ing Kel Ken Kes Kil King Lang
    Lin Lor Mal Mar Mel Mer Mid Mon Nor North Oak Or Pel Pen Pem Quil Ran Red Rin Ros Ruth Sal San Sel
    Sher Sil Stan Stone Sun Sut Tal Tar Thorn Tor Tul Ul Val Ver Vin Wal War West White Wil Win Wood Wy
    Yar Zan Zel
    """
)
MIDDLES = listed("a an ar e en er i il in ing o on or u um")
TAILS = listed(
    """
    bach beck borough bourne bridge burn burgh bury by cliff combe cott croft dale den don fell field
    ford gate ham hill holm hurst land leigh ley low mark mere mond more mouth ness port ridge rock sea
    set shaw stead stock stow ton vale view ville ward water well wick win wood worth
    """
)
FIRM_TAILS = listed(
    """
    Airlines Analytics Bakery Bank Batteries Bicycles Brewing Chemicals Electric Energy Engineering
    Farms Films Foods Games Glass Group Industries Instruments Labs Logistics Media Mining Motors Optics
    Paper Partners Pharma Power Rail Robotics Shipping Software Solar Steel Studios Systems Telecom
    Textiles Tools Toys
    """
)
ADJECTIVES = listed(
    """
    Amber Ancient Autumn Blue Brave Bright Broken Burning Calm Copper Crimson Crystal Dark Distant Early
    Empty Endless Fading First Flying Forgotten Frozen Gentle Golden Green Grey Hidden Hollow Iron Last
    Little Lonely Long Lost Lucky Midnight Morning Narrow Northern Old Open Orange Pale Patient Paper
    Purple Quiet Rapid Red Restless Royal Rusty Sacred Salt Scarlet Second Secret Seventh Silent Silver
    Sleeping Slow Small Southern Still Stolen Stormy Strange Sudden Summer Tall Thirsty Twin Velvet
    Violet Wandering Warm White Wild Winter Wooden Yellow Young
    """
)
NOUNS = listed(
    """
    Anchor Apple Arrow Bell Bird Boat Book Bridge Candle Castle Circle City Clock Cloud Coast Compass
    Crow Dawn Desert Door Dream Eagle Echo Engine Falcon Feather Field Fire Flame Forest Fox Garden Gate
    Ghost Glass Hare Harbour Heart Heron Hill Horizon Horse House Island Journey Key King Kite Lake Lamp
    Lantern Letter Light Lion Map Meadow Mill Mirror Moon Morning Mountain Ocean Orchard Owl Path Pearl
    Pilot Planet Queen Rain River Road Rose Sail Sea Shadow Ship Shore Sky Snow Song Sparrow Spring Star
    Station Stone Storm Street Summer Sun Swan Table Tiger Tower Train Tree Valley Violin Voice Wave
    Whale Wheel Wind Window Wolf Wren
    """
)
COUNTRIES = listed(
    """
    Argentina Australia Austria Belgium Brazil Canada Chile Denmark Egypt Finland France Germany Ghana
    Greece Iceland India Indonesia Ireland Italy Japan Kenya Mexico Morocco Norway Peru Poland Portugal
    Scotland Spain Sweden Switzerland Turkey Uruguay Vietnam Wales
    """
)
COLOURS = listed("amber black blue brown copper green grey orange pink purple red silver white yellow")
MATERIALS = listed(
    """
    aluminium, bamboo, brick, bronze, cedar wood, concrete, copper, glass, granite, limestone, marble,
    oak, recycled plastic, sandstone, slate, steel, timber
    """
)
CAUSES = listed(
    """
    a broken pipe, a burst tyre, a faulty cable, a fallen tree, a gas leak, a landslide, a lightning
    strike, a power cut, a shortage of staff, a signal failure, a software error, a storm, a strike, bad
    weather, dry grass, heavy rain, heavy snow, high winds, rising costs, thick fog, low demand, a water
    leak
    """
)
ANIMALS = listed(
    """
    badgers, bats, beavers, bees, black storks, butterflies, cranes, dolphins, eagles, elephants, foxes,
    frogs, hedgehogs, herons, lynx, otters, owls, penguins, red deer, salmon, sea turtles, seals, swans,
    whales, wild horses, wolves
    """
)
FOODS = listed(
    """
    apple cake, black bean soup, cherry tart, chicken curry, fish stew, fried dumplings, garlic bread,
    goat cheese, grilled trout, honey cake, lamb pie, lemon tart, mushroom soup, onion pie, pear cider,
    plum jam, pumpkin bread, rice pudding, roast duck, smoked salmon, spiced nuts, tomato soup, walnut
    bread
    """
)
JOBS = listed(
    """
    architect baker biologist captain carpenter chemist composer dancer doctor economist engineer farmer
    gardener geologist historian journalist judge lawyer librarian mechanic musician nurse painter
    photographer pilot poet sailor sculptor singer surgeon teacher translator violinist writer
    """
)
SPORTS = listed(
    """
    basketball chess cricket cycling football handball hockey rowing rugby running sailing skiing
    swimming tennis volleyball
    """
)
MONTHS = listed("January February March April May June July August September October November December")
WEEKDAYS = listed("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
NUMBER_WORDS = listed("two three four five six seven eight nine ten eleven twelve")
