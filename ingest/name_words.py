"""Vocabulary of names: which words are given names, and which names are also words.

Lists and nothing else; how they are used is their users' business.
"""

from __future__ import annotations

_GIVEN = """
Aaron Abigail Adam Adrian Agnes Ahmed Aisha Alan Albert Alejandro Alexander Alexandra Alexandre Ali Alice
Alicia Alison Allison Amanda Amelia Amir Amy Ana Andrea Andreas Andrew Angela Anita Ann Anna Anne Annie
Anthony Antoine Antonio Arthur Ashley Audrey Barbara Beatrice Ben Benjamin Bernard Beth Betty Beverly
Billy Brandon Brenda Brian Bruce Bryan Camille Carl Carla Carlos Carmen Carol Caroline Catherine Cecilia
Charles Charlotte Chloe Chris Christina Christine Christopher Claire Clara Claudia Colin Connor Craig
Cynthia Daniel Danielle David Deborah Debra Denise Dennis Diana Diane Diego Dmitri Donald Donna Dorothy
Douglas Duncan Edith Edward Edwin Eileen Elaine Eleanor Elena Eli Elisabeth Elizabeth Ella Ellen Emily
Emma Eric Erik Ernest Esther Ethan Eugene Eva Evan Evelyn Fatima Fernando Fiona Florence Frances
Francesca Francis Francisco Franz Fred Frederick Gabriel Gabriela Gareth Gary Geoffrey George Gerald
Gerard Gloria Gordon Graham Greg Gregory Gustav Hannah Hans Harold Harriet Harry Hassan Heather Heinrich
Helen Helena Henrik Henry Herbert Howard Hugh Ian Ibrahim Igor Ingrid Irene Isaac Isabel Isabella Ivan
Jacob Jacqueline James Jane Janet Janice Jason Javier Jean Jeff Jeffrey Jennifer Jeremy Jerome Jerry
Jesse Jessica Jill Jim Jimmy Joan Joanna Joanne Joe Joel Johan Johannes John Johnny Jonathan Jorge Jose
José Joseph Joshua Juan Judith Judy Julia Julian Julie Karen Karl Kate Katherine Kathleen Kathryn Katie
Keith Kelly Kenneth Kevin Klaus Kristin Kyle Larissa Larry Lars Laura Lauren Laurence Lawrence Leah Leo
Leon Leonard Leslie Linda Lisa Liz Louis Louise Lucas Lucia Lucy Luis Luke Lydia Madeleine Madison Manuel
Marc Marco Marcus Margaret Maria María Marie Mario Marion Marjorie Marta Martha Martin Mary Matteo
Matthew Maureen Megan Melanie Melissa Michael Michelle Miguel Mike Miriam Mohamed Mohammed Monica Nadia
Nancy Natalia Natalie Natasha Nathan Neil Nicholas Nicole Nigel Nina Noah Nora Olga Oliver Olivia Oscar
Otto Pablo Pamela Patricia Patrick Paul Paula Pauline Pedro Peter Philip Philippe Phillip Phyllis Pierre
Priya Rachel Ralph Raymond Rebecca Ricardo Richard Robert Roberto Roger Roland Ronald Rosa Rosemary Ross
Roy Russell Ruth Ryan Sally Samantha Samuel Sandra Sara Sarah Scott Sean Sergei Sharon Sheila Shirley
Simon Sofia Sophia Sophie Stanley Stefan Stella Stephanie Stephen Steve Steven Stuart Susan Sven Sylvia
Tanya Teresa Theodore Theresa Thomas Tim Timothy Tina Tobias Todd Tom Tommy Tony Tracy Tyler Ursula
Valerie Vanessa Vera Veronica Victoria Vincent Virginia Vivian Vladimir Walter Wanda Wayne Wendy Werner
William Wolfgang Xavier Yolanda Yusuf Yvonne Zachary Zoe
"""
GIVEN = frozenset(_GIVEN.split())
"""Given names that are hardly ever anything else."""

_GIVEN_ALSO_WORDS = """
April Art Bill Bob Chase Christian Daisy Dawn Dean Drew Earl Faith Frank Grace Grant Hank Hazel Hope
Hunter Iris Ivy Jack Jay Joy June Lily Mark Max May Miles Nick Pat Pearl Ray Rich Rob Rose Ruby Sky Sue
Summer Victor Violet Wade Ward Will
"""
GIVEN_ALSO_WORDS = frozenset(_GIVEN_ALSO_WORDS.split())
"""Given names that are words too, at the beginning of a sentence capitalised like them."""

_LOWER_CASE = """
art bill bob chance chase christian dawn dean drew earl faith frank grace grant hank happy hope hunter
iris ivy jack jay joy june april may august summer autumn lily mark max mercy miles nick pat pearl ray
rich rob rose ruby sky sonny sue sunny victor violet wade ward will wood king price young long green
brown white black gray grey stone rain star love angel baby bear the and der die das van von del las los
mia
"""
LOWER_CASE_WORDS = frozenset(_LOWER_CASE.split())
"""Names that are common words where they are not capitalised, as in chats few names are."""

_CAPITALISED = """
will may mark grace hope rose faith joy art bill rich frank april june august summer dawn eve ray sky ivy
lily daisy ruby pearl amber jade chase grant wade drew pat jack rob sue gene young long king day bush
brown green white black gray grey church page rice stone wood hill lake field price cook baker smith
miller carter best case cross fox wolf bird love power banks wells waters ford china israel victory guy
major dean earl duke prince angel christian
"""
CAPITALISED_WORDS = frozenset(_CAPITALISED.split())
"""Names that even capitalised are as often something else: a first word, a place, a trade."""

_NO_NAMES = """
i i'm i’m the a an and but or he she it we you they this that these those what who when where why how yes
no god christmas easter monday tuesday wednesday thursday friday saturday sunday january february march
april may june july august september october november december street road avenue river lake city
university president minister congress senate
"""
NO_NAMES = frozenset(_NO_NAMES.split())
"""Capitalised words that end a name."""
