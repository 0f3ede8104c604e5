"""Cities for the weather tool, each with its country, or its state and country."""

from __future__ import annotations

CITIES: tuple[tuple[str, ...], ...] = tuple(
    tuple(city.strip().split("|"))
    for city in """
London|United Kingdom; Paris|France; Berlin|Germany; Madrid|Spain; Rome|Italy; Vienna|Austria;
Zürich|Switzerland; Geneva|Switzerland; Brussels|Belgium; Amsterdam|Netherlands; Rotterdam|Netherlands;
Copenhagen|Denmark; Aarhus|Denmark; Stockholm|Sweden; Göteborg|Sweden; Malmö|Sweden; Oslo|Norway;
Bergen|Norway; Trondheim|Norway; Helsinki|Finland; Tampere|Finland; Reykjavik|Iceland; Dublin|Ireland;
Cork|Ireland; Galway|Ireland; Edinburgh|United Kingdom; Glasgow|United Kingdom; Cardiff|United Kingdom;
Belfast|United Kingdom; Manchester|United Kingdom; Liverpool|United Kingdom; Leeds|United Kingdom;
Bristol|United Kingdom; York|United Kingdom; Lisbon|Portugal; Porto|Portugal; Barcelona|Spain;
Valencia|Spain; Seville|Spain; Bilbao|Spain; Málaga|Spain; Lyon|France; Marseille|France; Nice|France;
Toulouse|France; Bordeaux|France; Strasbourg|France; Hamburg|Germany; Munich|Germany; Cologne|Germany;
Frankfurt|Germany; Leipzig|Germany; Dresden|Germany; Bremen|Germany; Salzburg|Austria; Graz|Austria;
Milan|Italy; Naples|Italy; Turin|Italy; Venice|Italy; Florence|Italy; Palermo|Italy; Athens|Greece;
Thessaloniki|Greece; Istanbul|Turkey; Ankara|Turkey; Izmir|Turkey; Warsaw|Poland; Kraków|Poland;
Gdańsk|Poland; Prague|Czechia; Brno|Czechia; Budapest|Hungary; Bucharest|Romania; Sofia|Bulgaria;
Belgrade|Serbia; Zagreb|Croatia; Split|Croatia; Ljubljana|Slovenia; Tallinn|Estonia; Riga|Latvia;
Vilnius|Lithuania; Kyiv|Ukraine; Lviv|Ukraine; New York|New York, United States;
Los Angeles|California, United States; San Francisco|California, United States;
San Diego|California, United States; Sacramento|California, United States;
Death Valley|California, United States; Chicago|Illinois, United States;
Boston|Massachusetts, United States; Seattle|Washington, United States; Portland|Oregon, United States;
Denver|Colorado, United States; Austin|Texas, United States; Houston|Texas, United States;
Dallas|Texas, United States; El Paso|Texas, United States; Miami|Florida, United States;
Orlando|Florida, United States; Atlanta|Georgia, United States; New Orleans|Louisiana, United States;
Memphis|Tennessee, United States; Nashville|Tennessee, United States;
St. Louis|Missouri, United States; Hannibal|Missouri, United States;
Kansas City|Missouri, United States; Minneapolis|Minnesota, United States;
Milwaukee|Wisconsin, United States; Detroit|Michigan, United States; Cleveland|Ohio, United States;
Pittsburgh|Pennsylvania, United States; Philadelphia|Pennsylvania, United States;
Buffalo|New York, United States; Elmira|New York, United States; Hartford|Connecticut, United States;
Baltimore|Maryland, United States; Richmond|Virginia, United States;
Charleston|South Carolina, United States; Phoenix|Arizona, United States;
Tucson|Arizona, United States; Las Vegas|Nevada, United States; Reno|Nevada, United States;
Virginia City|Nevada, United States; Salt Lake City|Utah, United States;
Albuquerque|New Mexico, United States; Santa Fe|New Mexico, United States; Boise|Idaho, United States;
Omaha|Nebraska, United States; Honolulu|Hawaii, United States; Anchorage|Alaska, United States;
Toronto|Canada; Montreal|Canada; Vancouver|Canada; Ottawa|Canada; Quebec|Canada; Calgary|Canada;
Winnipeg|Canada; Halifax|Canada; Mexico City|Mexico; Guadalajara|Mexico; Monterrey|Mexico; Havana|Cuba;
Kingston|Jamaica; San José|Costa Rica; Panama City|Panama; Bogotá|Colombia; Medellín|Colombia;
Quito|Ecuador; Lima|Peru; Cusco|Peru; La Paz|Bolivia; Santiago|Chile; Valparaíso|Chile;
Buenos Aires|Argentina; Córdoba|Argentina; Mendoza|Argentina; Montevideo|Uruguay; Asunción|Paraguay;
São Paulo|Brazil; Rio de Janeiro|Brazil; Brasília|Brazil; Salvador|Brazil; Recife|Brazil; Cairo|Egypt;
Alexandria|Egypt; Casablanca|Morocco; Marrakesh|Morocco; Tunis|Tunisia; Algiers|Algeria; Lagos|Nigeria;
Accra|Ghana; Dakar|Senegal; Nairobi|Kenya; Mombasa|Kenya; Kampala|Uganda; Addis Ababa|Ethiopia;
Cape Town|South Africa; Durban|South Africa; Johannesburg|South Africa; Windhoek|Namibia;
Jerusalem|Israel; Tel Aviv|Israel; Amman|Jordan; Beirut|Lebanon; Dubai|United Arab Emirates;
Abu Dhabi|United Arab Emirates; Doha|Qatar; Tehran|Iran; Tashkent|Uzbekistan; Samarkand|Uzbekistan;
Almaty|Kazakhstan; Karachi|Pakistan; Lahore|Pakistan; Delhi|India; Mumbai|India; Chennai|India;
Kolkata|India; Bangalore|India; Jaipur|India; Kathmandu|Nepal; Dhaka|Bangladesh; Colombo|Sri Lanka;
Bangkok|Thailand; Chiang Mai|Thailand; Hanoi|Vietnam; Da Nang|Vietnam; Phnom Penh|Cambodia;
Kuala Lumpur|Malaysia; Singapore|Singapore; Jakarta|Indonesia; Bandung|Indonesia; Manila|Philippines;
Cebu City|Philippines; Hong Kong|China; Shanghai|China; Beijing|China; Chengdu|China; Guangzhou|China;
Taipei|Taiwan; Seoul|South Korea; Busan|South Korea; Tokyo|Japan; Osaka|Japan; Kyoto|Japan;
Sapporo|Japan; Sydney|Australia; Melbourne|Australia; Brisbane|Australia; Perth|Australia;
Adelaide|Australia; Hobart|Australia; Darwin|Australia; Auckland|New Zealand; Wellington|New Zealand;
Dunedin|New Zealand
""".split(";")
)
NICKNAMES = {"SF": "San Francisco", "NYC": "New York", "LA": "Los Angeles", "San Fran": "San Francisco"}
